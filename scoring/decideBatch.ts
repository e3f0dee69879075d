import type { Clock, Logger } from '../infra/core/ports.ts';
import type { FeatureRecord } from '../transforms/featureInputs.ts';
import type { ScoringCounters } from './counters.ts';
import { type Decision, decisionId, type ReasonCode } from './decision.ts';
import { isBad, type Judged, keyOfBad, type Lane, type LaneRecord } from './lane.ts';
import type { LoadedModel } from './loadedModel.ts';
import { createModelRows, type ModelRows, type ScoredRow } from './modelRows.ts';
import { type Outcome, outcomeOf, UNSCORED } from './outcome.ts';
import { reasonsFor } from './reasons.ts';
import type { Policy } from './scoringContent.ts';
import { encodeVector } from './vectorCodec.ts';

/** A record to be decided. */
export interface DecideItem {
  readonly lane: Lane;
  readonly offset: number;
  readonly record: LaneRecord;
  /** When this process received it; the deadline counts from here. */
  readonly receivedAtMs: number;
  /** The queue is over its limit: no model is asked, it is a review. */
  readonly isShed?: boolean;
}

export interface Models {
  readonly champion?: LoadedModel | undefined;
  /** Scored beside the champion, decides nothing. */
  readonly challenger?: LoadedModel | undefined;
}

export interface DeciderParts {
  readonly policy: Policy;
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly counters: ScoringCounters;
  readonly log: Pick<Logger, 'error'>;
  /** `deadlineMs`: from receive to the end of the model's answer. */
  readonly limits: { readonly deadlineMs: number };
}

export interface BatchParts extends DeciderParts {
  readonly models: Models;
  /** Why a vector with these letters is not scored. */
  readonly reasonOf: (letters: string) => ReasonCode | undefined;
}

/**
 *   records → drafts, with their vectors in the rows of both models (all before the first wait, so that the
 *   windows move on in order) → one answer of each model → decisions
 */
export async function decideBatch(parts: BatchParts, batch: readonly DecideItem[]): Promise<Decision[]> {
  const { models, clock, counters } = parts;
  const champion = models.champion && createModelRows(models.champion, batch.length);
  const challenger = models.challenger && createModelRows(models.challenger, batch.length);
  const drafting = { ...parts, champion, challenger, nowMs: clock.nowMs() };
  const drafts = batch.map((item) => draftOf(drafting, item));
  const answer = await answerOf(parts, models.champion, champion);
  const shadow = await answerOf(parts, models.challenger, challenger);
  if (shadow === 'MODEL_FAILED') counters.shadowFailures += 1;
  counters.batches += 1;
  const finishing = { ...parts, answer, shadow, ...instantOf(clock.nowMs()) };
  return drafts.map((draft) => finish(finishing, draft));
}

// === Helpers ===

/** What is known of a decision before a model is asked. */
interface Draft {
  readonly item: DecideItem;
  readonly head: Pick<Decision, 'decision_id' | 'key' | 'event_id' | 'event_time'>;
  readonly seen?: Pick<Decision, 'feature_list' | 'vector' | 'statuses' | 'gold_age_s'>;
  readonly reason?: ReasonCode | undefined;
  /** Rows of the models' inputs; −1: none. */
  readonly row: number;
  readonly shadowRow: number;
}

interface Drafting extends BatchParts {
  readonly champion: ModelRows | undefined;
  readonly challenger: ModelRows | undefined;
  readonly nowMs: number;
}

/** hot path */
function draftOf(parts: Drafting, item: DecideItem): Draft {
  const { lane, offset, record } = item;
  const decision_id = decisionId({ ...lane.place, offset });
  const judged = lane.judge(record);
  if (isBad(judged)) {
    countBad(parts.counters, judged);
    const head = { decision_id, key: keyOfBad(record) };
    return { item, head, reason: 'BAD_RECORD', row: -1, shadowRow: -1 };
  }
  const statuses = lane.next(judged);
  const { vector, featureList: feature_list, goldAgeS } = lane;
  const seen = {
    feature_list,
    vector: encodeVector(vector),
    statuses,
    ...(goldAgeS > 0 && { gold_age_s: Math.min(Math.ceil(goldAgeS), MAX_INT) }),
  };
  const head = { decision_id, ...headOf(lane, judged) };
  const reason = parts.reasonOf(statuses) ?? reasonNotToAsk(parts, item);
  if (reason !== undefined) return { item, head, seen, reason, row: -1, shadowRow: -1 };
  const row = parts.champion?.add(lane.set, vector) ?? -1;
  if (row === -1) return { item, head, seen, reason: 'FEATURES_NOT_COMPUTABLE', row, shadowRow: -1 };
  return { item, head, seen, row, shadowRow: parts.challenger?.add(lane.set, vector) ?? -1 };
}

const MAX_INT = 2 ** 31 - 1;

function countBad({ badRecords }: ScoringCounters, judged: Judged): void {
  const code = 'code' in judged ? judged.code : 'KNOWN_BAD';
  badRecords[code] = (badRecords[code] ?? 0) + 1;
}

function headOf({ set }: Lane, { key, value, eventTimeMs }: FeatureRecord) {
  const { eventId } = set.source;
  const id = eventId === undefined ? undefined : value[eventId];
  return {
    key,
    ...(typeof id === 'string' && { event_id: id }),
    event_time: new Date(eventTimeMs).toISOString(),
  };
}

function reasonNotToAsk({ models, nowMs, limits }: Drafting, item: DecideItem): ReasonCode | undefined {
  if (item.isShed === true) return 'QUEUE_FULL';
  if (models.champion === undefined) return 'NO_MODEL';
  // It would be late anyway; not asking is how the process catches up.
  return nowMs - item.receivedAtMs > limits.deadlineMs ? 'DEADLINE' : undefined;
}

type Answer = readonly (ScoredRow | undefined)[] | 'MODEL_FAILED' | undefined;

/** Fails closed: what the model throws becomes reviews, and is told. */
async function answerOf(
  { counters, log, models }: BatchParts,
  model: LoadedModel | undefined,
  rows: ModelRows | undefined,
): Promise<Answer> {
  if (model === undefined || rows === undefined) return undefined;
  try {
    const scored = await rows.score();
    if (model === models.champion) counters.scoredRows += scored.length;
    return scored;
  } catch (error) {
    log.error({ model: model.card.version, err: error }, 'the model failed: its events go to review');
    return 'MODEL_FAILED';
  }
}

function instantOf(decidedAtMs: number) {
  return { decidedAtMs, decidedAt: new Date(decidedAtMs).toISOString() };
}

interface Finishing extends BatchParts {
  readonly answer: Answer;
  readonly shadow: Answer;
  readonly decidedAtMs: number;
  readonly decidedAt: string;
}

/** hot path. Members in the order of the contract. */
function finish(parts: Finishing, draft: Draft): Decision {
  const { head, seen } = draft;
  const said = scoredOf(parts, draft);
  const { outcome, ...rest } = typeof said === 'string' ? unscored(parts, said) : scored(parts, said);
  parts.counters.decisions[outcome.decision] += 1;
  const shadow = shadowOf(parts, draft);
  const { decision, risk_tier } = outcome;
  return {
    ...head,
    decided_at: parts.decidedAt,
    decision,
    risk_tier,
    ...rest,
    ...seen,
    ...(shadow !== undefined && { shadow }),
  };
}

function scoredOf({ answer, limits, decidedAtMs }: Finishing, draft: Draft): ScoredRow | ReasonCode {
  if (draft.reason !== undefined) return draft.reason;
  if (answer === 'MODEL_FAILED') return answer;
  const row = answer?.[draft.row];
  if (row === undefined) return 'MODEL_OUTPUT_INVALID';
  return decidedAtMs - draft.item.receivedAtMs > limits.deadlineMs ? 'DEADLINE' : row;
}

interface Verdict extends Pick<Decision, 'reason_code' | 'reasons' | 'class' | 'p_fraud' | 'model_version'> {
  readonly outcome: Outcome;
}

function unscored({ counters }: Finishing, reason_code: ReasonCode): Verdict {
  counters.unscored[reason_code] += 1;
  return { outcome: UNSCORED, reason_code };
}

function scored({ models, policy, counters }: Finishing, row: ScoredRow): Verdict {
  const { champion } = models;
  if (champion === undefined) throw new Error('a row was scored without a model');
  const { card } = champion;
  const outcome = outcomeOf(row.pFraud, card.thresholds, policy);
  const name = card.classNames[row.classIndex] ?? '';
  const label = `${card.version}/${name}`;
  counters.predictions[label] = (counters.predictions[label] ?? 0) + 1;
  return {
    outcome,
    ...(outcome.decision !== 'approve' && { reasons: reasonsFor(champion, row, policy.maxReasons) }),
    class: name,
    p_fraud: row.pFraud,
    model_version: card.version,
  };
}

/** `<version>=<p>`; absent where the challenger has no answer. */
function shadowOf({ models, shadow }: Finishing, { shadowRow }: Draft): string | undefined {
  const row = typeof shadow === 'string' ? undefined : shadow?.[shadowRow];
  return row && models.challenger && `${models.challenger.card.version}=${row.pFraud}`;
}
