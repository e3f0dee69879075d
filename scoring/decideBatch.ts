import type { Clock, Logger } from '../infra/core/ports.ts';
import type { FeatureRecord } from '../transforms/featureInputs.ts';
import type { ScoringCounters } from './counters.ts';
import { type Decision, decisionId, type ReasonCode } from './decision.ts';
import { isBad, type Judged, keyOfBad, type Lane, type LaneRecord } from './lane.ts';
import type { LoadedModel } from './loadedModel.ts';
import { type Answers, createModelRows, type ModelRows } from './modelRows.ts';
import { outcomeOf, UNSCORED } from './outcome.ts';
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
  const answers = await answersOf(parts, champion);
  const shadow = await answersOf(parts, challenger);
  if (shadow === 'MODEL_FAILED') counters.shadowFailures += 1;
  counters.batches += 1;
  counters.scoredRows += champion?.count ?? 0;
  const decidedAtMs = clock.nowMs();
  const decidedAt = new Date(decidedAtMs).toISOString();
  const finishing = { ...parts, champion, answers, shadow, decidedAtMs, decidedAt };
  return drafts.map((draft) => finish(finishing, draft));
}

// === Helpers ===

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };

/** What is known of a decision before a model is asked: the decision as it is without one. */
interface Draft {
  readonly item: DecideItem;
  readonly decision: Mutable<Decision>;
  readonly reason: ReasonCode | undefined;
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
  const { lane, record } = item;
  const judged = lane.judge(record);
  if (isBad(judged)) {
    countBad(parts.counters, judged);
    const decision = emptyDecision(item, keyOfBad(record));
    return { item, decision, reason: 'BAD_RECORD', row: -1, shadowRow: -1 };
  }
  const statuses = lane.next(judged);
  const decision = seenDecision(item, judged, statuses);
  const reason = parts.reasonOf(statuses) ?? reasonNotToAsk(parts, item);
  if (reason !== undefined) return { item, decision, reason, row: -1, shadowRow: -1 };
  const row = parts.champion?.add(lane.set, lane.vector) ?? -1;
  if (row === -1) return { item, decision, reason: 'FEATURES_NOT_COMPUTABLE', row, shadowRow: -1 };
  const shadowRow = parts.challenger?.add(lane.set, lane.vector) ?? -1;
  return { item, decision, reason: undefined, row, shadowRow };
}

function countBad({ badRecords }: ScoringCounters, judged: Judged): void {
  const code = 'code' in judged ? judged.code : 'KNOWN_BAD';
  badRecords[code] = (badRecords[code] ?? 0) + 1;
}

/** hot path */
function emptyDecision({ lane, offset }: DecideItem, key: string): Mutable<Decision> {
  const { topic, topicId, partition } = lane.place;
  const decision_id = decisionId({ topic, topicId, partition, offset });
  return { decision_id, key, decided_at: '', ...UNSCORED };
}

/** With all that was seen of a good record. hot path */
function seenDecision(
  item: DecideItem,
  { key, value, eventTimeMs }: FeatureRecord,
  statuses: string,
): Mutable<Decision> {
  const { set, vector, featureList, goldAgeS } = item.lane;
  const decision = emptyDecision(item, key);
  const { eventId } = set.source;
  const id = eventId === undefined ? undefined : value[eventId];
  if (typeof id === 'string') decision.event_id = id;
  decision.event_time = new Date(eventTimeMs).toISOString();
  decision.feature_list = featureList;
  decision.vector = encodeVector(vector);
  decision.statuses = statuses;
  if (goldAgeS > 0) decision.gold_age_s = Math.min(Math.ceil(goldAgeS), MAX_INT);
  return decision;
}

const MAX_INT = 2 ** 31 - 1;

function reasonNotToAsk({ models, nowMs, limits }: Drafting, item: DecideItem): ReasonCode | undefined {
  if (item.isShed === true) return 'QUEUE_FULL';
  if (models.champion === undefined) return 'NO_MODEL';
  // It would be late anyway; not asking is how the process catches up.
  return nowMs - item.receivedAtMs > limits.deadlineMs ? 'DEADLINE' : undefined;
}

/** Fails closed: what the model throws becomes reviews, and is told. */
async function answersOf(
  { log }: BatchParts,
  rows: ModelRows | undefined,
): Promise<Answers | 'MODEL_FAILED' | undefined> {
  try {
    return await rows?.ask();
  } catch (error) {
    log.error({ model: rows?.model.card.version, err: error }, 'the model failed: it decides nothing here');
    return 'MODEL_FAILED';
  }
}

interface Finishing extends BatchParts {
  readonly champion: ModelRows | undefined;
  readonly answers: Answers | 'MODEL_FAILED' | undefined;
  readonly shadow: Answers | 'MODEL_FAILED' | undefined;
  readonly decidedAtMs: number;
  readonly decidedAt: string;
}

/** hot path */
function finish(parts: Finishing, draft: Draft): Decision {
  const { decision, row } = draft;
  const { champion, answers, counters } = parts;
  decision.decided_at = parts.decidedAt;
  const reason = reasonAfter(parts, draft);
  if (reason !== undefined || champion === undefined || typeof answers !== 'object') {
    // It is the review that it was from the start.
    decision.reason_code = reason ?? 'NO_MODEL';
    counters.unscored[decision.reason_code] += 1;
  } else {
    score(parts, decision, { champion, answers, row });
  }
  counters.decisions[decision.decision] += 1;
  addShadow(parts, draft);
  return decision;
}

function reasonAfter(parts: Finishing, { reason, item, row }: Draft): ReasonCode | undefined {
  const { answers, limits, decidedAtMs } = parts;
  if (reason !== undefined) return reason;
  if (answers === 'MODEL_FAILED') return answers;
  if (!((answers?.pFraud[row] as number) >= 0)) return 'MODEL_OUTPUT_INVALID';
  return decidedAtMs - item.receivedAtMs > limits.deadlineMs ? 'DEADLINE' : undefined;
}

/** hot path */
function score(
  { policy, counters }: Finishing,
  decision: Mutable<Decision>,
  said: { readonly champion: ModelRows; readonly answers: Answers; readonly row: number },
): void {
  const { champion, answers, row } = said;
  const { card } = champion.model;
  const pFraud = answers.pFraud[row] as number;
  const name = card.classNames[answers.classes[row] as number] ?? '';
  const outcome = outcomeOf(pFraud, card.thresholds, policy);
  decision.decision = outcome.decision;
  decision.risk_tier = outcome.risk_tier;
  if (outcome.decision !== 'approve') {
    const from = row * card.classNames.length;
    const probabilities = answers.probabilities.subarray(from, from + card.classNames.length);
    const asked = { values: champion.values(row), probabilities };
    decision.reasons = reasonsFor(champion.model, asked, policy.maxReasons);
  }
  decision.class = name;
  decision.p_fraud = pFraud;
  decision.model_version = card.version;
  const byClass = counters.predictions[card.version] ?? {};
  byClass[name] = (byClass[name] ?? 0) + 1;
  counters.predictions[card.version] = byClass;
}

/** `<version>=<p>`; absent where the challenger has no answer. */
function addShadow({ models, shadow }: Finishing, { decision, shadowRow }: Draft): void {
  if (models.challenger === undefined || typeof shadow !== 'object') return;
  const pFraud = shadow.pFraud[shadowRow] as number;
  if (pFraud >= 0) decision.shadow = `${models.challenger.card.version}=${pFraud}`;
}
