import { createHash } from "node:crypto";

/** The etag of a content, a hash: equal contents have equal etags, as for single-part objects in S3. */
export function contentEtag(body: Uint8Array): string {
  return createHash("sha256").update(body).digest("hex").slice(0, 32);
}
