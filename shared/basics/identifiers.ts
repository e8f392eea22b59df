import * as z from "zod";

/** Run name that is safe as a file name, as a part of an S3 key and as an SQS message group. */
export const runIdSchema = z.string().regex(/^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$/);

/**
 * A time in milliseconds since 1970. Every event carries its own time, because the reducer (the function that
 * applies events to a run's state) reads no clock.
 */
export const timestampSchema = z.int().min(0).max(8.64e15);

/** SHA-256 digest in hexadecimal. */
export const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/);

const MAX_TRIAL_NUMBER = 1_000_000;
export const trialNumberSchema = z.int().min(0).max(MAX_TRIAL_NUMBER);

const MAX_SHARDS = 1_024;
export const shardCountSchema = z.int().min(1).max(MAX_SHARDS);
/**
 * A shard (a worker's part of the samples): part `index`, counted from 0, of `count` consecutive, nearly equal
 * parts.
 */
export const shardSchema = z
  .strictObject({ index: z.int().min(0), count: shardCountSchema })
  .refine((shard) => shard.index < shard.count, { error: "the shard's index is not below its count" });
export type Shard = Readonly<z.infer<typeof shardSchema>>;

const MAX_KEY_LENGTH = 512;
/** The key of an object in the object store: an S3 bucket, or a folder on one machine. */
export const storeKeySchema = z
  .string()
  .max(MAX_KEY_LENGTH)
  .regex(/^[A-Za-z0-9_][A-Za-z0-9._-]*(\/[A-Za-z0-9_][A-Za-z0-9._-]*)*$/);

/**
 * The half-open range of samples in a shard; the first shards take one sample more each until the remainder
 * is used up.
 */
export function shardRange(shard: Shard, samples: number): { readonly start: number; readonly end: number } {
  const size = Math.floor(samples / shard.count);
  const remainder = samples % shard.count;
  const start = shard.index * size + Math.min(shard.index, remainder);
  return { start, end: start + size + (shard.index < remainder ? 1 : 0) };
}
