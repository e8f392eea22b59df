/** The trace header that Lambda and the SDK pass on, under the name of its SQS message attribute. */
export const TRACE_HEADER = "AWSTraceHeader";

/** Number of invocations of a function in one chain of calls after which Lambda stops the chain. */
export const MAX_INVOCATIONS = 16;

/** Numbers of invocations per function in a chain of calls, each caused by the one before. */
export class InvocationChain {
  constructor(private readonly counts: ReadonlyMap<string, number> = new Map()) {}

  /** @param header a trace header of Lambda, of which only the field `Lineage` is used */
  static parse(header: string | undefined): InvocationChain {
    const text = /(?:^|;)Lineage=([^;]*)/.exec(header ?? "")?.[1] ?? "";
    const pairs = [...text.matchAll(/([^:|]+):(\d+)/g)];
    return new InvocationChain(new Map(pairs.map(([, name = "", count]) => [name, Number(count)])));
  }

  invocationsOf(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  after(name: string): InvocationChain {
    return new InvocationChain(new Map([...this.counts, [name, this.invocationsOf(name) + 1]]));
  }

  toHeader(): string {
    const counts = [...this.counts].map(([name, count]) => `${name}:${count}`);
    return `Root=1-00000000-000000000000000000000000;Sampled=0;Lineage=${counts.join("|")}`;
  }
}
