import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";

/**
 * Answers for each message of a batch by itself: the queue hands out again only those for which `carryOut` says that
 * they are not done with.
 */
export function answerBatch(
  event: SQSEvent,
  carryOut: (record: SQSRecord) => Promise<boolean>,
): Promise<SQSBatchResponse> {
  const settle = async (record: SQSRecord): Promise<void> => {
    if (!(await carryOut(record))) throw new MessageNotDoneError(record.messageId);
  };
  return processPartialResponse(event, settle, new BatchProcessor(EventType.SQS), {
    processInParallel: false,
    // An error would be counted as one of the function; a job that is handed back is none.
    throwOnFullBatchFailure: false,
  });
}

class MessageNotDoneError extends Error {
  override readonly name = "MessageNotDoneError";
  constructor(readonly messageId: string) {
    super(`Message ${messageId} is not done with; its queue hands it out again.`);
  }
}
