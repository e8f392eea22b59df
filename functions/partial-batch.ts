import { BatchProcessor, EventType, processPartialResponse } from "@aws-lambda-powertools/batch";
import type { SQSBatchResponse, SQSEvent, SQSRecord } from "aws-lambda";

/**
 * Processes each message of a batch separately: the queue redelivers only those for which `carryOut` returns
 * `false`.
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
    // By default an exception is thrown if every message failed. It would count as an error of the function,
    // which a job returned to its queue is not.
    throwOnFullBatchFailure: false,
  });
}

class MessageNotDoneError extends Error {
  override readonly name = "MessageNotDoneError";
  constructor(readonly messageId: string) {
    super(`Message ${messageId} is not done with; its queue hands it out again.`);
  }
}
