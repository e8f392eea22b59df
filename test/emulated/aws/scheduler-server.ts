import { randomUUID } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { SchedulerClient } from "@aws-sdk/client-scheduler";
import * as z from "zod";

const targetSchema = z.object({
  Arn: z.string().min(1).max(1_600),
  RoleArn: z.string().min(1).max(1_600),
  Input: z.string().min(1).optional(),
  SqsParameters: z.object({ MessageGroupId: z.string().min(1).max(128) }).optional(),
});

/** Constraints on a schedule (API reference of EventBridge Scheduler, CreateSchedule). */
const scheduleSchema = z.looseObject({
  GroupName: z
    .string()
    .regex(/^[0-9a-zA-Z._-]{1,64}$/)
    .default("default"),
  ScheduleExpression: z
    .string()
    .max(256)
    .regex(/^(rate\([1-9]\d* (minute|hour|day)s?\)|cron\(\S+( \S+){5}\)|at\([-\dT:]+\))$/),
  ScheduleExpressionTimezone: z
    .string()
    .refine(isTimeZone, { error: "Invalid Schedule Expression Timezone" })
    .default("UTC"),
  FlexibleTimeWindow: z.looseObject({ Mode: z.enum(["OFF", "FLEXIBLE"]) }),
  State: z.enum(["ENABLED", "DISABLED"]).default("ENABLED"),
  Target: targetSchema,
  Description: z.string().max(512).optional(),
});

const NAME = /^[0-9a-zA-Z._-]{1,64}$/;

export type Target = z.infer<typeof targetSchema>;
type Schedule = z.infer<typeof scheduleSchema> & { readonly Name: string };

export interface SchedulerServer {
  readonly endpoint: string;
  readonly client: SchedulerClient;
  schedule(group: string, name: string): Schedule | undefined;
  /** Creates a schedule, as a stack does. */
  create(name: string, definition: unknown): void;
  /** Fires a schedule as if it were due at that time; returns `false` if it is disabled. */
  fire(group: string, name: string, at: Date): Promise<boolean>;
  /** Fires every enabled schedule with a rate of one minute. */
  passMinute(): Promise<void>;
  close(): Promise<void>;
}

class Refusal extends Error {
  constructor(
    readonly status: number,
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

/**
 * An emulator of EventBridge Scheduler in memory, on the loopback interface, with the calls that the code
 * makes. Time advances only on request.
 *
 * @param deliver sends a payload to a target
 */
export async function startSchedulerServer(
  deliver: (target: Target, payload: string) => Promise<void>,
): Promise<SchedulerServer> {
  const schedules = new ScheduleGroups();
  const server = createServer((request, response) => void schedules.answer(request, response));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const endpoint = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const client = new SchedulerClient({
    endpoint,
    region: "us-east-1",
    credentials: { accessKeyId: "emulated", secretAccessKey: "emulated" },
  });
  const fire = async (schedule: Schedule, at: Date): Promise<void> => {
    const { Target } = schedule;
    const arn = `arn:aws:scheduler:us-east-1:000000000000:schedule/${schedule.GroupName}/${schedule.Name}`;
    const payload = (Target.Input ?? "{}")
      .replaceAll("<aws.scheduler.schedule-arn>", arn)
      .replaceAll("<aws.scheduler.scheduled-time>", at.toISOString().replace(/\.\d+/, ""))
      .replaceAll("<aws.scheduler.execution-id>", randomUUID())
      .replaceAll("<aws.scheduler.attempt-number>", "1");
    await deliver(Target, payload);
  };
  return {
    endpoint,
    client,
    schedule: (group, name) => schedules.find(group, name),
    create: (name, definition) => schedules.create(name, definition),
    async fire(group, name, at) {
      const schedule = schedules.find(group, name);
      if (schedule?.State !== "ENABLED") return false;
      await fire(schedule, at);
      return true;
    },
    async passMinute() {
      for (const schedule of schedules.all())
        if (schedule.State === "ENABLED" && schedule.ScheduleExpression === "rate(1 minute)")
          await fire(schedule, new Date());
    },
    async close() {
      client.destroy();
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

class ScheduleGroups {
  readonly #schedules = new Map<string, Schedule>();

  all(): readonly Schedule[] {
    return [...this.#schedules.values()];
  }

  find(group: string, name: string): Schedule | undefined {
    return this.#schedules.get(`${group}/${name}`);
  }

  create(name: string, definition: unknown): void {
    const schedule = parse(name, definition);
    if (this.find(schedule.GroupName, name) !== undefined)
      throw new Refusal(409, "ConflictException", `Schedule ${name} already exists.`);
    this.#schedules.set(`${schedule.GroupName}/${name}`, schedule);
  }

  async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    try {
      const url = new URL(request.url ?? "", "http://emulated");
      const body = this.#carryOut(request.method ?? "", url, await readJson(request));
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify(body));
    } catch (error) {
      const { status, code, message } =
        error instanceof Refusal ? error : new Refusal(500, "InternalServerException", String(error));
      response.writeHead(status, { "content-type": "application/json", "x-amzn-errortype": code });
      response.end(JSON.stringify({ Message: message }));
    }
  }

  #carryOut(method: string, url: URL, body: unknown): unknown {
    const [, collection, encoded] = url.pathname.split("/");
    if (collection !== "schedules") throw new Refusal(404, "UnknownOperationException", url.pathname);
    if (encoded === undefined || encoded === "") return this.#list(url.searchParams);
    const name = decodeURIComponent(encoded);
    const group = url.searchParams.get("groupName") ?? "default";
    switch (method) {
      case "POST":
        this.create(name, body);
        return { ScheduleArn: name };
      case "PUT": {
        const schedule = parse(name, body);
        this.#require(schedule.GroupName, name);
        this.#schedules.set(`${schedule.GroupName}/${name}`, schedule);
        return { ScheduleArn: name };
      }
      case "GET":
        return { ...this.#require(group, name), CreationDate: 0, LastModificationDate: 0 };
      case "DELETE":
        this.#require(group, name);
        this.#schedules.delete(`${group}/${name}`);
        return {};
      default:
        throw new Refusal(404, "UnknownOperationException", method);
    }
  }

  /** Pages have two entries, so that tests cover paging. */
  #list(query: URLSearchParams): unknown {
    const pageSize = 2;
    const start = Number(query.get("NextToken") ?? 0);
    const found = this.all().filter(
      ({ GroupName, Name }) =>
        GroupName === (query.get("ScheduleGroup") ?? GroupName) &&
        Name.startsWith(query.get("NamePrefix") ?? ""),
    );
    const page = found.slice(start, start + pageSize);
    return {
      Schedules: page.map(({ Name, GroupName, State }) => ({ Name, GroupName, State })),
      ...(start + pageSize < found.length ? { NextToken: String(start + pageSize) } : {}),
    };
  }

  #require(group: string, name: string): Schedule {
    const schedule = this.find(group, name);
    if (schedule === undefined)
      throw new Refusal(404, "ResourceNotFoundException", `Schedule ${name} does not exist.`);
    return schedule;
  }
}

function parse(name: string, definition: unknown): Schedule {
  const parsed = scheduleSchema.safeParse(definition);
  if (!NAME.test(name) || !parsed.success)
    throw new Refusal(400, "ValidationException", parsed.error?.issues[0]?.message ?? "Invalid name.");
  return { ...parsed.data, Name: name };
}

function isTimeZone(zone: string): boolean {
  try {
    new Intl.DateTimeFormat("en", { timeZone: zone });
    return true;
  } catch {
    return false;
  }
}

async function readJson(request: IncomingMessage): Promise<unknown> {
  const chunks: Buffer[] = [];
  for await (const chunk of request) chunks.push(chunk as Buffer);
  const text = Buffer.concat(chunks).toString();
  return text === "" ? undefined : JSON.parse(text);
}
