/** What Lambda and the SDK pass on of where a call comes from, under the name that SQS gives it in a message. */
export const TRACE_HEADER = "AWSTraceHeader";

/** So many times a function is invoked in one chain of calls before Lambda stops it (docs/fleet.md, "Rules"). */
export const MOST_INVOCATIONS = 16;

/** How often functions were invoked in a chain of calls, each of which the one before had caused. */
export class Lineage {
  constructor(private readonly counts: ReadonlyMap<string, number> = new Map()) {}

  /** @param header a trace header of Lambda's, of which only the lineage counts here */
  static parse(header: string | undefined): Lineage {
    const text = /(?:^|;)Lineage=([^;]*)/.exec(header ?? "")?.[1] ?? "";
    const pairs = [...text.matchAll(/([^:|]+):(\d+)/g)];
    return new Lineage(new Map(pairs.map(([, name = "", count]) => [name, Number(count)])));
  }

  invocationsOf(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  after(name: string): Lineage {
    return new Lineage(new Map([...this.counts, [name, this.invocationsOf(name) + 1]]));
  }

  toHeader(): string {
    const counts = [...this.counts].map(([name, count]) => `${name}:${count}`);
    return `Root=1-00000000-000000000000000000000000;Sampled=0;Lineage=${counts.join("|")}`;
  }
}
