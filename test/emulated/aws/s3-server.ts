import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { setImmediate as turn } from "node:timers/promises";
import { crc32 } from "node:zlib";
import { S3Client } from "@aws-sdk/client-s3";

interface StoredObject {
  readonly body: Buffer;
  readonly etag: string;
}

interface Upload {
  readonly key: string;
  readonly parts: Map<number, StoredObject>;
}

export interface S3Server {
  readonly endpoint: string;
  readonly client: S3Client;
  readonly objects: ReadonlyMap<string, StoredObject>;
  /** Number of uploads that were neither completed nor aborted. */
  readonly openUploads: number;
  /** Restricts callers to what `isAllowed` permits; `key` is absent for actions on the bucket. */
  restrict(isAllowed: IsAllowed): void;
  /** Statuses that the next requests fail with, one each. */
  failNext(...statuses: number[]): void;
  close(): Promise<void>;
}

export type IsAllowed = (accessKeyId: string, action: string, key: string | undefined) => boolean;

const PAGE = 1_000;
const REGION = "us-east-1";

/** The error response to a request, with S3's codes. */
class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
  ) {
    super(code);
  }
}

/**
 * An S3 emulator with one bucket in memory, on the loopback interface. It has what the code depends on and
 * the emulators in the npm registry lack: conditional writes (412, and 409 during another conditional write
 * of the key), ranges, pages, multipart uploads, and verified checksums. Any bucket name refers to the
 * bucket.
 */
export async function startS3Server(): Promise<S3Server> {
  const bucket = new Bucket();
  const server: Server = createServer((request, response) => void bucket.answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new S3Client({
    endpoint,
    region: REGION,
    forcePathStyle: true,
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  return {
    endpoint,
    client,
    objects: bucket.objects,
    get openUploads() {
      return bucket.uploads.size;
    },
    restrict: (isAllowed) => {
      bucket.isAllowed = isAllowed;
    },
    failNext: (...statuses) => void bucket.failures.push(...statuses),
    async close() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class Bucket {
  readonly objects = new Map<string, StoredObject>();
  readonly uploads = new Map<string, Upload>();
  readonly failures: number[] = [];
  isAllowed: IsAllowed = () => true;
  readonly #conditionalWrites = new Set<string>();
  #uploadCount = 0;

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await readBody(request);
    const url = new URL(request.url ?? "/", "http://bucket");
    const key = decodeURIComponent(url.pathname.split("/").slice(2).join("/"));
    try {
      const failure = this.failures.shift();
      if (failure !== undefined) throw new Refusal(failure, failure === 503 ? "SlowDown" : "InternalError");
      const caller = /Credential=([^/]+)/.exec(request.headers.authorization ?? "")?.[1] ?? "";
      if (!this.isAllowed(caller, actionOf(request, url.searchParams), key === "" ? undefined : key))
        throw new Refusal(403, "AccessDenied");
      await this.#route(request, response, key, url.searchParams, body);
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      const text = `<Error><Code>${error.code}</Code><Message>${error.code}</Message></Error>`;
      response.writeHead(error.status, { "content-type": "application/xml" });
      response.end(request.method === "HEAD" ? undefined : text);
    }
  }

  async #route(
    request: IncomingMessage,
    response: ServerResponse,
    key: string,
    query: URLSearchParams,
    body: Buffer,
  ): Promise<void> {
    const uploadId = query.get("uploadId");
    switch (request.method) {
      case "GET":
        if (query.has("list-type")) return sendXml(response, this.#list(query));
        return this.#get(request, response, key);
      case "HEAD":
        return this.#get(request, response, key);
      case "PUT": {
        verifyChecksum(request, body);
        if (uploadId !== null)
          return this.#putPart(response, uploadId, Number(query.get("partNumber")), body);
        const object = { body, etag: `"${md5(body).toString("hex")}"` };
        await this.#write(request, key, object);
        response.writeHead(200, { etag: object.etag }).end();
        return;
      }
      case "POST":
        if (uploadId === null) {
          const id = `upload-${++this.#uploadCount}`;
          this.uploads.set(id, { key, parts: new Map() });
          return sendXml(
            response,
            `<InitiateMultipartUploadResult><UploadId>${id}</UploadId></InitiateMultipartUploadResult>`,
          );
        }
        return this.#complete(request, response, uploadId, body.toString());
      case "DELETE":
        if (uploadId === null) this.objects.delete(key);
        else this.uploads.delete(uploadId);
        response.writeHead(204).end();
        return;
      default:
        throw new Refusal(405, "MethodNotAllowed");
    }
  }

  #get(request: IncomingMessage, response: ServerResponse, key: string): void {
    const object = this.objects.get(key);
    if (object === undefined) throw new Refusal(404, "NoSuchKey");
    const { body, etag } = object;
    const range = /^bytes=(\d+)-(\d+)$/.exec(request.headers.range ?? "");
    const start = Number(range?.[1] ?? 0);
    if (range !== null && start >= body.length) throw new Refusal(416, "InvalidRange");
    const part = range === null ? body : body.subarray(start, Number(range[2]) + 1);
    response.writeHead(range === null ? 200 : 206, {
      etag,
      "content-length": part.length,
      ...(range === null ? { "x-amz-checksum-crc32": checksum(body) } : {}),
    });
    response.end(request.method === "HEAD" ? undefined : part);
  }

  #list(query: URLSearchParams): string {
    const prefix = query.get("prefix") ?? "";
    const behind = query.get("continuation-token") ?? "";
    const keys = [...this.objects.keys()].filter((key) => key.startsWith(prefix) && key > behind).sort();
    const page = keys.slice(0, PAGE);
    const contents = page.map((key) => `<Contents><Key>${key}</Key></Contents>`).join("");
    const next =
      keys.length > page.length ? `<NextContinuationToken>${page.at(-1)}</NextContinuationToken>` : "";
    return `<ListBucketResult><IsTruncated>${next !== ""}</IsTruncated>${next}${contents}</ListBucketResult>`;
  }

  #putPart(response: ServerResponse, uploadId: string, number: number, body: Buffer): void {
    const upload = this.#upload(uploadId);
    const etag = `"${md5(body).toString("hex")}"`;
    upload.parts.set(number, { body, etag });
    response.writeHead(200, { etag }).end();
  }

  async #complete(
    request: IncomingMessage,
    response: ServerResponse,
    uploadId: string,
    document: string,
  ): Promise<void> {
    const { key, parts } = this.#upload(uploadId);
    const numbers = [...document.matchAll(/<PartNumber>(\d+)<\/PartNumber>/g)].map(([, n]) => Number(n));
    const chosen = numbers.map((number) => parts.get(number));
    if (chosen.length === 0 || chosen.some((part) => part === undefined))
      throw new Refusal(400, "InvalidPart");
    const bodies = chosen.flatMap((part) => (part === undefined ? [] : [part.body]));
    const etag = `"${md5(Buffer.concat(bodies.map(md5))).toString("hex")}-${bodies.length}"`;
    await this.#write(request, key, { body: Buffer.concat(bodies), etag });
    this.uploads.delete(uploadId);
    sendXml(
      response,
      `<CompleteMultipartUploadResult><ETag>${etag.replaceAll('"', "&quot;")}</ETag></CompleteMultipartUploadResult>`,
    );
  }

  #upload(id: string): Upload {
    const upload = this.uploads.get(id);
    if (upload === undefined) throw new Refusal(404, "NoSuchUpload");
    return upload;
  }

  async #write(request: IncomingMessage, key: string, object: StoredObject): Promise<void> {
    const ifMatch = request.headers["if-match"];
    const ifNoneMatch = request.headers["if-none-match"];
    if (ifMatch === undefined && ifNoneMatch === undefined) {
      this.objects.set(key, object);
      return;
    }
    if (this.#conditionalWrites.has(key)) throw new Refusal(409, "ConditionalRequestConflict");
    const present = this.objects.get(key);
    if (ifNoneMatch !== undefined && present !== undefined) throw new Refusal(412, "PreconditionFailed");
    if (ifMatch !== undefined && present === undefined) throw new Refusal(404, "NoSuchKey");
    if (ifMatch !== undefined && present?.etag !== ifMatch) throw new Refusal(412, "PreconditionFailed");
    this.#conditionalWrites.add(key);
    await turn();
    this.#conditionalWrites.delete(key);
    this.objects.set(key, object);
  }
}

/** The name of the action in IAM. */
function actionOf({ method }: IncomingMessage, query: URLSearchParams): string {
  switch (method) {
    case "GET":
    case "HEAD":
      return query.has("list-type") ? "s3:ListBucket" : "s3:GetObject";
    case "DELETE":
      return query.has("uploadId") ? "s3:AbortMultipartUpload" : "s3:DeleteObject";
    default:
      return "s3:PutObject";
  }
}

async function readBody(request: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  return Buffer.concat(chunks);
}

/**
 * Requires a CRC-32 checksum. S3 also accepts uploads without one; here that would mean that the client has
 * changed its behaviour.
 */
function verifyChecksum(request: IncomingMessage, body: Buffer): void {
  const expected = request.headers["x-amz-checksum-crc32"];
  if (expected === undefined) throw new Refusal(400, "InvalidRequest");
  if (expected !== checksum(body)) throw new Refusal(400, "BadDigest");
}

function checksum(body: Buffer): string {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(crc32(body));
  return bytes.toString("base64");
}

function md5(body: Buffer): Buffer {
  return createHash("md5").update(body).digest();
}

function sendXml(response: ServerResponse, document: string): void {
  response.writeHead(200, { "content-type": "application/xml" });
  response.end(`<?xml version="1.0" encoding="UTF-8"?>${document}`);
}
