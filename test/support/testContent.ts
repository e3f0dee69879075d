import { type Content, paymentContent } from '../../infra/content.ts';
import type { Contract } from '../../ingestion/contract.ts';
import { sensorContent } from './sensors/content.ts';

/**
 * Content by a word that fits into an environment variable, so that child processes get the same:
 * `payments:<prefix>` is the shipped content on topics of its own, `sensors:<topic>` the tiny domain. Of the
 * shipped one `sources:` has all topics but that of decisions, `decisions:` only that, and `calm:` another one for it.
 */
export function contentOf(spec: string | undefined): Content {
  const [kind = '', name = ''] = (spec ?? '').split(/:(.*)/s);
  if (kind === 'sensors') return sensorContent(name);
  const topicOf = (one: Contract) => {
    if (kind === 'calm' && one.answers !== undefined) return `${name}calm.${one.topic}`;
    return `${name}${one.topic}`;
  };
  const isWanted = WANTED[kind];
  if (isWanted === undefined) throw new Error(`TIDEMARK_TEST_CONTENT: unknown content ${spec}`);
  const contracts = paymentContent.contracts.filter(isWanted).map((one) => ({ ...one, topic: topicOf(one) }));
  return { ...paymentContent, contracts };
}

// === Helpers ===

const WANTED: Readonly<Record<string, (contract: Contract) => boolean>> = {
  payments: () => true,
  calm: () => true,
  sources: ({ answers }) => answers === undefined,
  decisions: ({ answers }) => answers !== undefined,
};
