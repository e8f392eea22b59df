import { createHash, type Hash } from "node:crypto";
import { createReadStream } from "node:fs";
import { type FileHandle, open } from "node:fs/promises";
import { DataError } from "../../../shared/basics/errors.js";
import type { WorkloadFile } from "../../../shared/run/store/workload-document.js";
import type { ByteSource, S3ObjectStore } from "../../../shared/storage/s3-store.js";

/** Progress of one file's upload, reported each time that a part has arrived, the last time at its end. */
export interface UploadProgress {
  readonly file: string;
  readonly bytes: number;
  /** Bytes that have arrived in the bucket. */
  readonly sent: number;
  /** Whether the bucket already had the file. */
  readonly wasThere: boolean;
}

/**
 * Uploads a file under its hash, unless the bucket has it. The file is read twice in parts: to hash it, and
 * to send it.
 * @throws {DataError} when the file changed in between; nothing is stored then
 */
export async function uploadFile(
  store: S3ObjectStore,
  file: string,
  folder: "models" | "data",
  onProgress: (progress: UploadProgress) => void = () => undefined,
): Promise<Omit<WorkloadFile, "path">> {
  const { sha256, bytes } = await hashFile(file);
  const key = `${folder}/${sha256}`;
  if (await store.has(key)) {
    onProgress({ file, bytes, sent: bytes, wasThere: true });
    return { key, bytes, sha256 };
  }
  const handle = await open(file);
  try {
    const onSent = (sent: number): void => onProgress({ file, bytes, sent, wasThere: false });
    await store.putFrom(key, new UnchangedFile(handle, file, bytes, sha256), { onSent });
  } finally {
    await handle.close();
  }
  return { key, bytes, sha256 };
}

async function hashFile(file: string): Promise<{ readonly sha256: string; readonly bytes: number }> {
  const hash = createHash("sha256");
  let bytes = 0;
  for await (const chunk of createReadStream(file) as AsyncIterable<Buffer>) {
    hash.update(chunk);
    bytes += chunk.byteLength;
  }
  return { sha256: hash.digest("hex"), bytes };
}

/**
 * A source that verifies the hash before it returns the last part, so that an object stored under a hash
 * always has that content.
 */
class UnchangedFile implements ByteSource {
  readonly #hash: Hash = createHash("sha256");

  constructor(
    private readonly handle: FileHandle,
    private readonly file: string,
    readonly bytes: number,
    private readonly sha256: string,
  ) {}

  async read(start: number, end: number): Promise<Uint8Array> {
    const piece = Buffer.allocUnsafe(end - start);
    let filled = 0;
    while (filled < piece.byteLength) {
      const { bytesRead } = await this.handle.read(piece, filled, piece.byteLength - filled, start + filled);
      if (bytesRead === 0) throw this.#changed();
      filled += bytesRead;
    }
    this.#hash.update(piece);
    if (end === this.bytes && this.#hash.digest("hex") !== this.sha256) throw this.#changed();
    return piece;
  }

  #changed(): DataError {
    return new DataError(
      `File ${this.file} was changed while it was uploaded; submit again when nobody writes it.`,
    );
  }
}
