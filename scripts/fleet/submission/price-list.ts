import { readFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { UsageError } from "../../../shared/basics/errors.js";
import type { RunRequest } from "../../../shared/run/protocol/request.js";
import { packageRoot } from "../../package/package-root.js";

const priceSchema = z.number().min(0).max(1);

/** Prices of AWS in US dollars, in one region at one date. */
const priceListSchema = z.strictObject({
  date: z.iso.date(),
  region: z.string().min(1).max(64),
  /** Title and address of each source of the prices. */
  sources: z.array(z.string().min(1).max(1_024)).min(1).max(16),
  lambda: z.strictObject({
    usdPerGigabyteSecond: z.strictObject({ arm64: priceSchema, x86_64: priceSchema }),
    usdPerRequest: priceSchema,
  }),
  sqs: z.strictObject({ usdPerStandardRequest: priceSchema, usdPerFifoRequest: priceSchema }),
  s3: z.strictObject({ usdPerWrite: priceSchema, usdPerRead: priceSchema }),
});

export type PriceList = Readonly<z.infer<typeof priceListSchema>>;

/** Price list included in the package; `--prices` replaces it. */
const DEFAULT_LIST = join("scripts", "fleet", "prices", "us-east-1.json");

/**
 * Upper bound of the AWS requests per job without failures. The job's message is sent, received, extended and
 * deleted; its report (in the FIFO queue) is sent, received and deleted; claim (lease on the job), answer, rows
 * (per-sample scores) and the coordinator's state are written; the claim and the rows of two other trials are
 * read; evaluator and coordinator are invoked.
 */
const REQUESTS_PER_JOB = { standard: 4, fifo: 3, writes: 4, reads: 3, invocations: 2 };

/**
 * Reads a list of AWS prices; the one in the package when no file is given.
 *
 * @throws {UsageError} when the file is not a price list
 */
export async function readPriceList(file = join(packageRoot(), DEFAULT_LIST)): Promise<PriceList> {
  try {
    return priceListSchema.parse(JSON.parse(await readFile(file, "utf8")));
  } catch (error) {
    const reason =
      error instanceof z.ZodError
        ? `${error.issues[0]?.path.join(".") || "it"}: ${error.issues[0]?.message}`
        : String(error instanceof Error ? error.message : error);
    throw new UsageError(
      `${file} is no price list (${reason}); give a file of the shape of ${DEFAULT_LIST}.`,
      { cause: error },
    );
  }
}

/** A notice for the user when the prices are of another region than the fleet; otherwise none. */
export function noticesOfRegion({ region }: Pick<PriceList, "region">, fleet: string | undefined): string[] {
  if (fleet === undefined || fleet === region) return [];
  return [
    `The fleet is in ${fleet} and the prices are those of ${region}, so the estimate, the cost and its limit are inaccurate; give --prices with a list of ${fleet}.`,
  ];
}

/** The prices of a list in the form that a run's request holds. */
export function runPrices({
  lambda,
  sqs,
  s3,
}: PriceList): Pick<NonNullable<RunRequest["cost"]>, "usdPerGigabyteSecond" | "usdPerJob"> {
  const { standard, fifo, writes, reads, invocations } = REQUESTS_PER_JOB;
  const usdPerJob =
    standard * sqs.usdPerStandardRequest +
    fifo * sqs.usdPerFifoRequest +
    writes * s3.usdPerWrite +
    reads * s3.usdPerRead +
    invocations * lambda.usdPerRequest;
  return { usdPerGigabyteSecond: lambda.usdPerGigabyteSecond, usdPerJob };
}
