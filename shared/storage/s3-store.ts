import {
  AbortMultipartUploadCommand,
  CompleteMultipartUploadCommand,
  CreateMultipartUploadCommand,
  DeleteObjectCommand,
  GetObjectCommand,
  HeadObjectCommand,
  PutObjectCommand,
  paginateListObjectsV2,
  type S3Client,
  S3ServiceException,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { assertKey, PreconditionFailedError, StoreUnavailableError, WriteConflictError } from "./errors.js";
import type { ByteRange, ObjectStore, PutCondition, StoredObject } from "./object-store.js";

/** Objects above this size are uploaded in parts of this size; the minimum of S3 is 5 MiB. */
const PART_BYTES = 16 * 1_048_576;
/** Maximum number of parts per upload to S3. */
const MOST_PARTS = 10_000;
/** Number of parts uploaded concurrently, which bounds the memory for a source outside of memory. */
const PARTS_AT_ONCE = 4;

/** Content to upload that is read sequentially, each byte once. */
export interface ByteSource {
  readonly bytes: number;
  /** Reads the bytes from `start` up to `end`; if it throws, nothing is stored. */
  read(start: number, end: number): Promise<Uint8Array>;
}

export interface SourcePutOptions {
  readonly condition?: PutCondition;
  /** Called with the number of bytes sent so far, each time that more was sent. */
  readonly onSent?: (bytes: number) => void;
}

/**
 * The part size of an object's upload in bytes; larger for huge objects, because S3 limits the number of
 * parts.
 */
export function partBytesOf(bytes: number, least = PART_BYTES): number {
  return Math.max(least, Math.ceil(bytes / MOST_PARTS));
}

export interface S3ObjectStoreOptions {
  readonly client: S3Client;
  readonly bucket: string;
  readonly partBytes?: number;
}

/**
 * An object store in an S3 bucket. Conditions hold for multipart uploads too: S3 checks them when the upload
 * is completed. The client repeats unanswered calls, so a conditional write whose answer was lost can end as
 * PreconditionFailedError, as with RetryingObjectStore.
 */
export class S3ObjectStore implements ObjectStore {
  readonly #client: S3Client;
  readonly #bucket: string;
  readonly #partBytes: number;

  constructor({ client, bucket, partBytes = PART_BYTES }: S3ObjectStoreOptions) {
    this.#client = client;
    this.#bucket = bucket;
    this.#partBytes = partBytes;
  }

  async get(key: string, range?: ByteRange): Promise<StoredObject | undefined> {
    assertKey(key);
    // HTTP cannot express an empty range.
    if (range !== undefined && range.end <= range.start) return this.#getWithoutBody(key);
    try {
      const { Body, ETag } = await this.#client.send(
        new GetObjectCommand({
          ...this.#locate(key),
          ...(range === undefined ? {} : { Range: `bytes=${range.start}-${range.end - 1}` }),
        }),
      );
      return { body: (await Body?.transformToByteArray()) ?? new Uint8Array(), etag: ETag ?? "" };
    } catch (error) {
      const status = statusOf(error);
      if (status === 404) return undefined;
      if (status === 416) return this.#getWithoutBody(key);
      throw translate(error, key);
    }
  }

  async put(key: string, body: Uint8Array, condition?: PutCondition): Promise<string> {
    const source = {
      bytes: body.byteLength,
      read: async (start: number, end: number) => body.subarray(start, end),
    };
    return this.putFrom(key, source, condition === undefined ? {} : { condition });
  }

  /** Like `put`, for content that need not fit into memory. */
  async putFrom(key: string, source: ByteSource, options: SourcePutOptions = {}): Promise<string> {
    assertKey(key);
    const { condition, onSent } = options;
    try {
      if (source.bytes > this.#partBytes) return await this.#putInParts(key, source, options);
      const Body = await source.read(0, source.bytes);
      const { ETag } = await this.#client.send(
        new PutObjectCommand({ ...this.#locate(key), Body, ...conditionHeaders(condition) }),
      );
      onSent?.(source.bytes);
      return ETag ?? "";
    } catch (error) {
      // S3 answers 404 if the object to be replaced does not exist.
      if (condition !== undefined && statusOf(error) === 404)
        throw new PreconditionFailedError(key, { cause: error });
      throw translate(error, key);
    }
  }

  async *list(prefix: string): AsyncIterable<string> {
    const pages = paginateListObjectsV2({ client: this.#client }, { Bucket: this.#bucket, Prefix: prefix });
    try {
      for await (const { Contents = [] } of pages)
        for (const { Key } of Contents) if (Key !== undefined) yield Key;
    } catch (error) {
      throw translate(error, prefix);
    }
  }

  async delete(key: string): Promise<void> {
    assertKey(key);
    try {
      await this.#client.send(new DeleteObjectCommand(this.#locate(key)));
    } catch (error) {
      throw translate(error, key);
    }
  }

  /** Whether the object exists, without reading it. */
  async has(key: string): Promise<boolean> {
    assertKey(key);
    return (await this.#getWithoutBody(key)) !== undefined;
  }

  async #getWithoutBody(key: string): Promise<StoredObject | undefined> {
    try {
      const { ETag } = await this.#client.send(new HeadObjectCommand(this.#locate(key)));
      return { body: new Uint8Array(), etag: ETag ?? "" };
    } catch (error) {
      if (statusOf(error) === 404) return undefined;
      throw translate(error, key);
    }
  }

  async #putInParts(key: string, source: ByteSource, options: SourcePutOptions): Promise<string> {
    const target = this.#locate(key);
    const { UploadId } = await this.#client.send(new CreateMultipartUploadCommand(target));
    try {
      const Parts = await this.#sendParts({ ...target, UploadId }, source, options);
      const { ETag } = await this.#client.send(
        new CompleteMultipartUploadCommand({
          ...target,
          UploadId,
          MultipartUpload: { Parts },
          ...conditionHeaders(options.condition),
        }),
      );
      return ETag ?? "";
    } catch (error) {
      // Parts of an incomplete upload are stored and billed until they are removed.
      await this.#client
        .send(new AbortMultipartUploadCommand({ ...target, UploadId }))
        .catch(() => undefined);
      throw error;
    }
  }

  async #sendParts(
    upload: { readonly Bucket: string; readonly Key: string; readonly UploadId: string | undefined },
    source: ByteSource,
    { onSent }: SourcePutOptions,
  ): Promise<{ PartNumber: number; ETag: string | undefined }[]> {
    const partBytes = partBytesOf(source.bytes, this.#partBytes);
    const parts: { PartNumber: number; ETag: string | undefined }[] = [];
    let sent = 0;
    const send = async (PartNumber: number, Body: Uint8Array) => {
      const { ETag } = await this.#client.send(new UploadPartCommand({ ...upload, PartNumber, Body }));
      sent += Body.byteLength;
      onSent?.(sent);
      return { PartNumber, ETag };
    };
    for (let start = 0; start < source.bytes; ) {
      const group: Uint8Array[] = [];
      for (; group.length < PARTS_AT_ONCE && start < source.bytes; start += partBytes)
        group.push(await source.read(start, Math.min(start + partBytes, source.bytes)));
      const first = parts.length + 1;
      parts.push(...(await Promise.all(group.map((body, i) => send(first + i, body)))));
    }
    return parts;
  }

  #locate(key: string): { readonly Bucket: string; readonly Key: string } {
    return { Bucket: this.#bucket, Key: key };
  }
}

function conditionHeaders(condition: PutCondition | undefined): { IfNoneMatch?: string; IfMatch?: string } {
  if (condition === undefined) return {};
  return "ifMatch" in condition ? { IfMatch: condition.ifMatch } : { IfNoneMatch: "*" };
}

function statusOf(error: unknown): number | undefined {
  return error instanceof S3ServiceException ? error.$metadata.httpStatusCode : undefined;
}

function translate(error: unknown, key: string): unknown {
  const status = statusOf(error);
  if (status === 412) return new PreconditionFailedError(key, { cause: error });
  if (status === 409) return new WriteConflictError(key, { cause: error });
  const isUnanswered = error instanceof Error && !(error instanceof S3ServiceException) && isNetwork(error);
  if (isUnanswered || status === 429 || (status !== undefined && status >= 500))
    return new StoreUnavailableError(key, { cause: error });
  return error;
}

const NETWORK_CODES = ["ECONNRESET", "ECONNREFUSED", "EPIPE", "ETIMEDOUT", "ENOTFOUND", "EAI_AGAIN"];

function isNetwork(error: Error): boolean {
  return error.name === "TimeoutError" || NETWORK_CODES.includes((error as NodeJS.ErrnoException).code ?? "");
}
