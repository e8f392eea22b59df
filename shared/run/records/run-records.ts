import type * as z from "zod";
import { ConfigurationError } from "../../basics/errors.js";
import { mapConcurrently } from "../../basics/map-concurrently.js";
import { safeguard } from "../../basics/safeguard.js";
import { type EncodedSpace, encodeSpace } from "../../search/space/encoding.js";
import { parseSpace, validateSpace } from "../../search/space/space-document.js";
import type { ObjectStore } from "../../storage/object-store.js";
import { putImmutable } from "../../storage/retrying-store.js";
import type { TrialReported } from "../protocol/messages.js";
import {
  requestKey,
  restoredKey,
  runningTrialSegmentKey,
  SEGMENT_SIZE,
  scoresKey,
  scoresName,
  segmentKey,
  spaceKey,
  stateKey,
} from "../protocol/record-keys.js";
import { type RunRequest, runRequestSchema } from "../protocol/request.js";
import type { RunningTrial, RunState, ScoredShard, ShardState, TrialRecord } from "../protocol/state.js";
import { getBounded } from "../store/bounded-record.js";
import { DamagedRecordError } from "../store/damaged-record.js";
import { parseJson, parseRecord } from "../store/parse-record.js";
import { readRows } from "../store/read-rows.js";
import { isRestoredRecord, packTrials, type RestoredRecord } from "./restored-record.js";
import { RunningTrialSegments } from "./running-trial-segments.js";
import {
  expandRunning,
  fromRecordDocument,
  fromRunningDocument,
  fromShardDocument,
  type RunningDocument,
  runningTrialSegmentSchema,
  type StateDocument,
  segmentSchema,
  stateDocumentSchema,
  toStateDocument,
} from "./state-document.js";

/** Maximum number of concurrent reads when a state is loaded. */
const READS = 32;
/** Maximum size of a record of restored trials: enough for 100,000 trials of about a hundred parameters. */
const MAX_RESTORED_BYTES = 64 * 1_048_576;

const requestDocumentSchema = runRequestSchema.omit({ space: true });

export interface SavedState {
  readonly state: RunState;
  readonly etag: string;
}

/**
 * Reads and writes a run in the object store: the request and its space, written once; the state document,
 * replaced by compare-and-swap with every event; segments of finished trials and rows of scored shards, each
 * written once. docs/design/run-protocol.md, "State" and "What a crash does", describes layout and recovery.
 */
export class RunRecords {
  readonly #store: ObjectStore;
  readonly #spaces = new WeakMap<RunRequest, EncodedSpace>();

  readonly #runningTrials: RunningTrialSegments;

  /**
   * Opens the records in an object store.
   *
   * @param segmentThreshold running trials from which on their configurations are stored outside of the state
   * document
   */
  constructor(store: ObjectStore, segmentThreshold?: number) {
    this.#store = store;
    this.#runningTrials = new RunningTrialSegments(
      {
        write: async ({ runId }, segment, content) => {
          await putImmutable(store, runningTrialSegmentKey(runId, segment), toBytes(content));
        },
        read: async ({ runId }, segment) => {
          const key = runningTrialSegmentKey(runId, segment);
          const content = await this.#read(key, runningTrialSegmentSchema);
          if (content === undefined) throw new DamagedRecordError(key, "is missing");
          return content;
        },
      },
      segmentThreshold,
    );
  }

  /** Writes the request of a new run unless the run has one, and returns the stored one. */
  async create(request: RunRequest): Promise<RunRequest> {
    const { space, ...document } = request;
    // The request is written last: a run whose request exists can be read.
    const isOwnSpace = await putImmutable(this.#store, spaceKey(request.runId), toBytes(space));
    const isOwn = await putImmutable(this.#store, requestKey(request.runId), toBytes(document));
    if (!isOwnSpace || !isOwn) return (await this.readRequest(request.runId)) ?? request;
    asRecord(spaceKey(request.runId), () => validateSpace(space));
    return request;
  }

  /**
   * Writes the record of an earlier run's trials that runs begin with; call it before requesting a run that
   * names it.
   */
  async writeRestored({ reference, body }: RestoredRecord): Promise<void> {
    await putImmutable(this.#store, restoredKey(reference.sha256), body);
  }

  /**
   * The earlier run's trials that the run begins with, which `writeRestored` wrote; empty if the request
   * names none.
   */
  async readRestored({ space, restored }: RunRequest): Promise<readonly TrialRecord[]> {
    if (restored === undefined) return [];
    const key = restoredKey(restored.sha256);
    const stored = await getBounded(this.#store, key, MAX_RESTORED_BYTES);
    if (stored === undefined) throw new DamagedRecordError(key, "is missing");
    if (!isRestoredRecord(stored.body, restored))
      throw new DamagedRecordError(key, "is not what its hash says");
    const { trials } = parseRecord(key, segmentSchema, stored.body);
    if (trials.length !== restored.trials)
      throw new DamagedRecordError(key, `has ${trials.length} trials instead of ${restored.trials}`);
    const encoded = encodeSpace(space);
    return trials.map((record) => fromRecordDocument(encoded, record));
  }

  async readRequest(runId: string): Promise<RunRequest | undefined> {
    const document = await this.readPlainRequest(runId);
    if (document === undefined) return undefined;
    // The space is read after the request, because it was written before it.
    const stored = await this.#store.get(spaceKey(runId));
    if (stored === undefined) throw new DamagedRecordError(spaceKey(runId), "is missing");
    return {
      ...document,
      space: asRecord(spaceKey(runId), () => parseSpace(parseJson(spaceKey(runId), stored.body))),
    };
  }

  /** The request of a run without its search space, which can be large and is not needed by workers. */
  readPlainRequest(runId: string): Promise<Omit<RunRequest, "space"> | undefined> {
    return this.#read(requestKey(runId), requestDocumentSchema);
  }

  /**
   * The state of a run as last saved, without `best` (the best trial so far), which is derived from it.
   *
   * @param earlier an earlier state of the run, whose stored segments need not be read again
   */
  async load(runId: string, earlier?: RunState): Promise<SavedState | undefined> {
    const key = stateKey(runId);
    const stored = await this.#store.get(key);
    if (stored === undefined) return undefined;
    const document = parseRecord(key, stateDocumentSchema, stored.body);
    const request = earlier?.request ?? (await this.readRequest(runId));
    if (request === undefined) throw new DamagedRecordError(requestKey(runId), "is missing");
    return { state: await this.#restore(request, document, earlier), etag: stored.etag };
  }

  /** Whether the stored state is still this one, so that no other coordinator has saved since. */
  async isCurrent({ state, etag }: SavedState): Promise<boolean> {
    return (await this.#store.get(stateKey(state.request.runId)))?.etag === etag;
  }

  /**
   * Saves the state and returns its etag.
   *
   * @param etag of the state that this one replaces; `undefined` for a run's first state
   * @throws PreconditionFailedError if another coordinator has saved in between
   */
  async save(state: RunState, etag: string | undefined): Promise<string> {
    const { request } = state;
    const document = toStateDocument(this.#space(request), state, this.#runningTrials.writtenBelow(request));
    const condition = etag === undefined ? { ifNoneMatch: true as const } : { ifMatch: etag };
    const key = stateKey(state.request.runId);
    return this.#store.put(key, toBytes(document), safeguard("compare-and-swap") ? condition : undefined);
  }

  /**
   * Writes a segment (a group of records) of finished trials. Its trials are from a saved state, so every
   * coordinator writes the same.
   */
  async writeSegment(request: RunRequest, segment: number, trials: readonly TrialRecord[]): Promise<void> {
    await putImmutable(
      this.#store,
      segmentKey(request.runId, segment),
      packTrials(this.#space(request), trials),
    );
  }

  /** Writes those segments (groups) of running trials of a saved state that are not known to be written. */
  writeRunningTrialSegments(state: RunState): Promise<void> {
    return this.#runningTrials.writeFull(this.#space(state.request), state);
  }

  async #restore(request: RunRequest, document: StateDocument, earlier?: RunState): Promise<RunState> {
    const space = this.#space(request);
    const { version: _, unsealed, statistics, running: _running, finishing, ...plain } = document;
    const running = await this.#runningIn(request, document);
    // The earlier state may count a segment (a group of records) as written whose trials this document still
    // contains.
    const first = Math.min(earlier?.sealedSegments ?? 0, document.sealedSegments);
    const known = earlier?.finished.slice(0, first * SEGMENT_SIZE) ?? [];
    const segments = Array.from({ length: document.sealedSegments - first }, (_, i) => first + i);
    const read = await mapConcurrently(segments, READS, (segment) =>
      this.#readTrials(request, segmentKey(request.runId, segment)),
    );
    const scored = await mapConcurrently(running, READS, (trial) => this.#readShards(request.runId, trial));
    return {
      ...plain,
      request,
      statistics: statistics.map((shard) => fromShardDocument(shard, document.startedAt, (result) => result)),
      running: running.map((trial, i) => fromRunningDocument(space, trial, scored[i]!)),
      finished: [...known, ...read.flat(), ...unsealed.map((record) => fromRecordDocument(space, record))],
      ...(finishing === undefined
        ? {}
        : {
            finishing: {
              ...finishing,
              job: fromShardDocument(finishing.job, document.startedAt, (result) => result),
            },
          }),
    };
  }

  async #runningIn(request: RunRequest, { running }: StateDocument): Promise<readonly RunningDocument[]> {
    const inSegments = running.flatMap((trial) => (Array.isArray(trial) ? [trial[0]] : []));
    const stored = await this.#runningTrials.read(request, inSegments);
    return running.map((trial) => {
      if (!Array.isArray(trial)) return trial;
      const known = stored.get(trial[0]);
      if (known !== undefined) return expandRunning(trial, known);
      throw new DamagedRecordError(stateKey(request.runId), `runs trial ${trial[0]}, which is in no segment`);
    });
  }

  async #readTrials(request: RunRequest, key: string): Promise<readonly TrialRecord[]> {
    const document = await this.#read(key, segmentSchema);
    if (document === undefined) throw new DamagedRecordError(key, "is missing");
    return document.trials.map((record) => fromRecordDocument(this.#space(request), record));
  }

  async #readShards(
    runId: string,
    { number, askedAt, shards }: RunningDocument,
  ): Promise<RunningTrial["shards"]> {
    return mapConcurrently(
      [...shards.entries()],
      READS,
      async ([index, shard]): Promise<ShardState<ScoredShard>> => {
        const state = fromShardDocument(shard, askedAt, (scores) => scores);
        if (state.state === "waiting") return state;
        const key = scoresKey(runId, number, index, state.result);
        const rows = await readRows(this.#store, key);
        if (rows === undefined) throw new DamagedRecordError(key, "is missing");
        return { ...state, result: { rows, scores: state.result } };
      },
    );
  }

  async #read<Schema extends z.ZodType>(key: string, schema: Schema): Promise<z.infer<Schema> | undefined> {
    const stored = await this.#store.get(key);
    return stored === undefined ? undefined : parseRecord(key, schema, stored.body);
  }

  #space(request: RunRequest): EncodedSpace {
    let space = this.#spaces.get(request);
    if (space === undefined) {
      space = encodeSpace(request.space);
      this.#spaces.set(request, space);
    }
    return space;
  }
}

/**
 * Returns the result of `read`, which checks a stored search space; an error of the space becomes one of a
 * damaged record.
 */
function asRecord<T>(key: string, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof ConfigurationError)) throw error;
    throw new DamagedRecordError(key, "does not hold a space", { cause: error });
  }
}

/**
 * Stores the rows (per-sample scores) of a scored shard. Workers call it before they report, so that rows
 * exist for early stopping and for a coordinator that reads the state back when the report is applied.
 */
export async function storeScores(store: ObjectStore, event: TrialReported): Promise<void> {
  const { runId, trial, shard, outcome } = event;
  if (outcome.state === "failed") return;
  const key = scoresKey(runId, trial, shard.index, scoresName(outcome.rows));
  await putImmutable(store, key, toBytes(outcome.rows));
}

function toBytes(document: unknown): Uint8Array {
  return Buffer.from(JSON.stringify(document));
}
