import { join } from 'node:path';
import type { Contract } from '../ingestion/contract.ts';
import { decisions } from '../ingestion/contracts/decisions.ts';
import { labels } from '../ingestion/contracts/labels.ts';
import { txEcommerce } from '../ingestion/contracts/txEcommerce.ts';
import { txFintech } from '../ingestion/contracts/txFintech.ts';
import { txGaming } from '../ingestion/contracts/txGaming.ts';
import { paymentScoring } from '../scoring/policy/payments.ts';
import type { ScoringContent } from '../scoring/scoringContent.ts';
import type { FeatureContent } from '../transforms/feature.ts';
import { FEATURES } from '../transforms/features/list.ts';
import { FEATURE_ENTITIES, FEATURE_LABELS, FEATURE_SOURCES } from '../transforms/features/sources.ts';

/** What a user edits to make Tidemark theirs; the engine knows none of it. */
export interface Content {
  readonly contracts: readonly Contract[];
  /** Directories with `models/**.sql`, `seeds/*.csv` and `audits/*.sql`. */
  readonly transformsDir: string;
  readonly features: FeatureContent;
  readonly scoring: ScoringContent;
}

/** Tables of the topics that Tidemark itself writes, whatever they are called in Kafka. */
export const DECISIONS_TABLE = 'bronze.decisions';
export const LABELS_TABLE = 'bronze.labels';

/** The content that ships with Tidemark: three payment domains, their labels and decisions. */
export const paymentContent: Content = {
  contracts: [txGaming, txFintech, txEcommerce, labels, decisions],
  transformsDir: join(import.meta.dirname, '..', 'transforms'),
  features: {
    entries: FEATURES,
    sources: FEATURE_SOURCES,
    entities: FEATURE_ENTITIES,
    labels: FEATURE_LABELS,
  },
  scoring: paymentScoring,
};
