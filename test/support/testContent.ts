import { type Content, paymentContent } from '../../infra/content.ts';
import { sensorContent } from './sensors/content.ts';

/**
 * Content by a word that fits into an environment variable, so that child processes get the same:
 * `payments:<prefix>` is the shipped content on topics of its own, `sensors:<topic>` the tiny domain.
 */
export function contentOf(spec: string | undefined): Content {
  const [kind, name = ''] = (spec ?? '').split(/:(.*)/s);
  if (kind === 'sensors') return sensorContent(name);
  if (kind !== 'payments') throw new Error(`TIDEMARK_TEST_CONTENT: unknown content ${spec}`);
  const contracts = paymentContent.contracts.map((one) => ({ ...one, topic: `${name}${one.topic}` }));
  return { ...paymentContent, contracts };
}
