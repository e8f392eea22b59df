import { mapConcurrently } from "../../basics/map-concurrently.js";
import type { EncodedSpace } from "../../search/space/encoding.js";
import { SEGMENT_SIZE } from "../protocol/record-keys.js";
import type { RunRequest } from "../protocol/request.js";
import { isAsked, type RunState } from "../protocol/state.js";
import { type AskedDocument, type AskedSegment, toAskedDocument } from "./state-document.js";

/** With fewer trials side by side, all of them fit into the state document. */
const MANY_RUNNING = 64;
/** Records under way at once. */
const AT_ONCE = 32;

/** Where segments lie. */
export interface AskedSegments {
  /** Writes a segment unless there is one. */
  write(request: RunRequest, segment: number, content: AskedSegment): Promise<void>;
  /** @throws DamagedRecordError when there is none */
  read(request: RunRequest, segment: number): Promise<AskedSegment>;
}

/**
 * What running trials were asked with, by their numbers in segments: it never changes, and with hundreds of trials side
 * by side it would be most of what is saved with every event.
 *
 * A segment holds the trials that ran in some saved state in which all of its numbers had been decided on, with what the
 * sampler says to them, which follows from that state. Whichever coordinator wrote it first, every later state runs no
 * other trials of these numbers, as none begins to run again.
 */
export class AskedRecords {
  /** By run: trials with smaller numbers are known to lie in segments if they run. */
  readonly #sealed = new WeakMap<RunRequest, number>();

  /** @param many trials side by side from which on their records are kept apart */
  constructor(
    private readonly segments: AskedSegments,
    private readonly many = MANY_RUNNING,
  ) {}

  /** Of running trials with smaller numbers the state document need not say what they were asked with. */
  sealedBelow(request: RunRequest): number {
    return this.#sealed.get(request) ?? 0;
  }

  /**
   * Writes the segments that a state has full and that are not known to be written. It is known to be saved, and none of
   * its trials is open any more.
   */
  async seal(space: EncodedSpace, { request, running, asked, phase }: RunState): Promise<void> {
    if (phase !== "search" || running.length < this.many) return;
    const below = segmentOf(asked) * SEGMENT_SIZE;
    const sealed = this.sealedBelow(request);
    const added = new Map<number, AskedDocument[]>();
    for (const trial of running.filter(isAsked)) {
      if (trial.number < sealed || trial.number >= below) continue;
      const segment = segmentOf(trial.number);
      added.set(segment, [...(added.get(segment) ?? []), toAskedDocument(space, trial)]);
    }
    await mapConcurrently([...added], AT_ONCE, ([segment, trials]) =>
      this.segments.write(request, segment, { version: 1, trials }),
    );
    this.#noteSealed(request, below);
  }

  /** What these trials of a loaded state, which says nothing of it, were asked with. */
  async read(request: RunRequest, numbers: readonly number[]): Promise<ReadonlyMap<number, AskedDocument>> {
    const segments = [...new Set(numbers.map(segmentOf))];
    const read = await mapConcurrently(segments, AT_ONCE, (segment) => this.segments.read(request, segment));
    for (const segment of segments) this.#noteSealed(request, (segment + 1) * SEGMENT_SIZE);
    return new Map(read.flatMap(({ trials }) => trials.map((trial) => [trial.number, trial])));
  }

  #noteSealed(request: RunRequest, below: number): void {
    this.#sealed.set(request, Math.max(below, this.sealedBelow(request)));
  }
}

function segmentOf(number: number): number {
  return Math.floor(number / SEGMENT_SIZE);
}
