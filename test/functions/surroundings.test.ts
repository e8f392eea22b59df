import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { openSurroundings } from "../../functions/surroundings.js";
import { type S3Server, startS3Server } from "../emulated/s3-server.js";

const queue = (name: string): string => `https://sqs.us-east-1.amazonaws.com/0/${name}`;
const AWS = {
  AWS_REGION: "us-east-1",
  AWS_ACCESS_KEY_ID: "none",
  AWS_SECRET_ACCESS_KEY: "none",
};
const environment = { ...process.env };
let server: S3Server;

before(async () => {
  server = await startS3Server();
  Object.assign(process.env, AWS, { AWS_ENDPOINT_URL_S3: server.endpoint });
});
after(async () => {
  process.env = environment;
  await server.close();
});

test("a function's store repeats writes that met another, which the AWS SDK does not", async () => {
  const { store } = openSurroundings("test", {
    QUANTFLEET_BUCKET: "runs",
    QUANTFLEET_JOBS_URL: queue("jobs"),
    QUANTFLEET_STATISTICS_URL: queue("statistics"),
    QUANTFLEET_EVENTS_URL: queue("events.fifo"),
    QUANTFLEET_DEAD_LETTERS_URL: queue("dead.fifo"),
    QUANTFLEET_SCHEDULE_GROUP: "fleet",
    QUANTFLEET_FLEET: "fleet",
  });
  server.failNext(409, 409);
  await store.put("claims/1", Buffer.from("{}"), { ifNoneMatch: true });
  assert.equal((await store.get("claims/1"))?.body.length, 2);
});
