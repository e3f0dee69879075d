import type { Clock, Logger } from '../../infra/core/ports.ts';
import type { FeatureSet } from '../../transforms/featureSet.ts';
import type { Models } from '../decideBatch.ts';
import type { Decider } from '../decider.ts';
import { type LoadedModel, loadModel } from '../loadedModel.ts';
import type { Registry } from '../registry.ts';

export interface ModelWatchParts {
  readonly registry: Pick<Registry, 'aliases' | 'load'>;
  readonly decider: Pick<Decider, 'use'>;
  readonly sets: readonly FeatureSet[];
  readonly clock: Pick<Clock, 'nowMs'>;
  readonly log: Logger;
}

/** A version that cannot be loaded is tried again after this time, in milliseconds. */
const RETRY_MS = 60_000;

/**
 * Follows the aliases of the registry. Another version is loaded, checked and warmed beside the one that
 * decides, and takes over between two batches. One that is damaged or does not fit changes nothing: the
 * one before goes on, and it is told.
 */
export class ModelWatch implements AsyncDisposable {
  readonly #parts: ModelWatchParts;
  #champion: LoadedModel | undefined;
  #challenger: LoadedModel | undefined;
  /** By version, when it failed. */
  readonly #failed = new Map<string, number>();

  constructor(parts: ModelWatchParts) {
    this.#parts = parts;
  }

  get version(): string | undefined {
    return this.#champion?.card.version;
  }

  /** Looks once; one call at a time. A registry that cannot be read changes nothing. */
  async poll(): Promise<void> {
    const { registry, log } = this.#parts;
    try {
      const { champion, challenger } = await registry.aliases();
      await this.#follow({
        champion: await this.#next(champion, this.#champion),
        // A challenger that is gone or broken must not be shown as if it scored.
        challenger: champion === challenger ? undefined : await this.#next(challenger, this.#challenger),
      });
    } catch (error) {
      log.error({ err: error }, 'the registry of models cannot be read; the models stay');
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#follow({ champion: undefined, challenger: undefined });
  }

  /** The model of a version, the one that is there when that one cannot be loaded. */
  async #next(version: string | undefined, current: LoadedModel | undefined) {
    if (version === undefined) return undefined;
    if (version === current?.card.version) return current;
    const { registry, sets, clock, log } = this.#parts;
    const failedMs = this.#failed.get(version);
    if (failedMs !== undefined && clock.nowMs() - failedMs < RETRY_MS) return current;
    try {
      const model = await loadModel(await registry.load(version), sets);
      this.#failed.delete(version);
      return model;
    } catch (error) {
      this.#failed.set(version, clock.nowMs());
      const fields = { version, current: current?.card.version, err: error };
      log.error(fields, 'this model cannot be used; the one before goes on');
      return current;
    }
  }

  async #follow({ champion, challenger }: Models): Promise<void> {
    const before = [this.#champion, this.#challenger];
    if (champion === before[0] && challenger === before[1]) return;
    this.#champion = champion;
    this.#challenger = challenger;
    await this.#parts.decider.use({ champion, challenger });
    const versions = { champion: champion?.card.version, challenger: challenger?.card.version };
    this.#parts.log.info(versions, 'models in use');
    for (const model of before) {
      if (model !== champion && model !== challenger) await model?.[Symbol.asyncDispose]();
    }
  }
}
