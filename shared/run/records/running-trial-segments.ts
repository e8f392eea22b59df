import { mapConcurrently } from "../../basics/map-concurrently.js";
import type { EncodedSpace } from "../../search/space/encoding.js";
import { SEGMENT_SIZE } from "../protocol/record-keys.js";
import type { RunRequest } from "../protocol/request.js";
import { isProposed, type RunState } from "../protocol/state.js";
import {
  type ProposedTrialDocument,
  type RunningTrialSegment,
  toProposedTrialDocument,
} from "./state-document.js";

/** Number of running trials below which the state document holds all of them and no segments are written. */
const SEGMENT_THRESHOLD = 64;
/** Maximum number of segments that are read or written concurrently. */
const CONCURRENCY = 32;

/** Storage of segments (groups of running trials with their configurations). */
export interface RunningTrialSegmentStore {
  /** Writes a segment unless it exists. */
  write(request: RunRequest, segment: number, content: RunningTrialSegment): Promise<void>;
  /**
   * Reads a segment.
   *
   * @throws DamagedRecordError when there is none
   */
  read(request: RunRequest, segment: number): Promise<RunningTrialSegment>;
}

/**
 * Stores the immutable part of running trials (configuration, and what it was proposed from) in segments by
 * trial number. With hundreds of running trials it would otherwise be most of what is saved with every event.
 *
 * A segment is written from a saved state in which all its trial numbers have been assigned, and holds those
 * of them that were running. Configurations follow from the state, so every coordinator writes the same.
 * Trials never start again after they ended, so the running trials of every later state are contained in the
 * segment.
 */
export class RunningTrialSegments {
  /** By run, a trial number: running trials with smaller numbers are known to be in stored segments. */
  readonly #belowByRun = new WeakMap<RunRequest, number>();

  /**
   * Stores segments in `segments`.
   *
   * @param threshold number of running trials from which on segments are written
   */
  constructor(
    private readonly segments: RunningTrialSegmentStore,
    private readonly threshold = SEGMENT_THRESHOLD,
  ) {}

  /**
   * A trial number: running trials with smaller numbers are in stored segments, so the state document need
   * not repeat their configurations.
   */
  writtenBelow(request: RunRequest): number {
    return this.#belowByRun.get(request) ?? 0;
  }

  /**
   * Writes the complete segments (groups of trials) of a state that are not known to be written. The state is
   * saved and has no open trials (those without a configuration).
   */
  async writeFull(space: EncodedSpace, { request, running, asked, phase }: RunState): Promise<void> {
    if (phase !== "search" || running.length < this.threshold) return;
    const below = segmentOf(asked) * SEGMENT_SIZE;
    const from = this.writtenBelow(request);
    const added = new Map<number, ProposedTrialDocument[]>();
    for (const trial of running.filter(isProposed)) {
      if (trial.number < from || trial.number >= below) continue;
      const segment = segmentOf(trial.number);
      added.set(segment, [...(added.get(segment) ?? []), toProposedTrialDocument(space, trial)]);
    }
    await mapConcurrently([...added], CONCURRENCY, ([segment, trials]) =>
      this.segments.write(request, segment, { version: 1, trials }),
    );
    this.#noteWritten(request, below);
  }

  /**
   * The stored parts (configuration, and what it was proposed from) of a loaded state's running trials, by
   * trial number.
   */
  async read(
    request: RunRequest,
    numbers: readonly number[],
  ): Promise<ReadonlyMap<number, ProposedTrialDocument>> {
    const segments = [...new Set(numbers.map(segmentOf))];
    const read = await mapConcurrently(segments, CONCURRENCY, (segment) =>
      this.segments.read(request, segment),
    );
    for (const segment of segments) this.#noteWritten(request, (segment + 1) * SEGMENT_SIZE);
    return new Map(read.flatMap(({ trials }) => trials.map((trial) => [trial.number, trial])));
  }

  #noteWritten(request: RunRequest, below: number): void {
    this.#belowByRun.set(request, Math.max(below, this.writtenBelow(request)));
  }
}

function segmentOf(number: number): number {
  return Math.floor(number / SEGMENT_SIZE);
}
