import { type DecideItem, type DeciderParts, decideBatch, type Models } from './decideBatch.ts';
import type { Decision, ReasonCode } from './decision.ts';
import { reasonOfStatuses } from './vectorStatus.ts';

/**
 * Turns records into decisions. Whatever is doubtful is a review with a reason code, counted, and never an
 * approve: bad records, incomplete vectors as the policy says, no model, a model that fails.
 */
export interface Decider {
  /**
   * The models of the next batch on; the decider never disposes of one. Resolves when no batch uses the
   * ones before any more, so that they can be.
   */
  use(models: Models): Promise<void>;
  /**
   * One decision a record, in the same order. For each in order: judged, its vector taken from what came
   * before it, then it joins the windows of its lane; one call of the model for all of them. Neither data nor
   * models make it throw. One batch at a time.
   */
  decide(batch: readonly DecideItem[]): Promise<Decision[]>;
}

/** A decider without a model: every decision is a review until `use` was called. */
export function createDecider(parts: DeciderParts): Decider {
  let models: Models = {};
  let inFlight: Promise<unknown> = Promise.resolve();
  const reasons = new Map<string, ReasonCode | undefined>();
  const reasonOf = (letters: string): ReasonCode | undefined => {
    if (!reasons.has(letters)) reasons.set(letters, reasonOfStatuses(letters, parts.policy.onStatus));
    return reasons.get(letters);
  };
  return {
    use: async (next) => {
      models = next;
      await inFlight;
    },
    decide: (batch) => {
      const decided = decideBatch({ ...parts, models, reasonOf }, batch);
      // Who waits for the end of the batch is not who hears of its failure.
      inFlight = decided.catch(() => undefined);
      return decided;
    },
  };
}
