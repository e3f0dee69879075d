import { type FeatureReport, reportFeatures, showFeature } from '../../transforms/featureReport.ts';
import { paymentContent } from '../content.ts';
import { openFeatures } from '../features.ts';
import type { RegisterCommand } from './main.ts';

interface JsonOption {
  readonly json?: boolean;
}

/** `tidemark features`: the one list of features, and what is compiled from an entry. */
export const registerFeatures: RegisterCommand = (program) => {
  const features = program.command('features').description('features: what they are, and their SQL');
  features
    .command('list')
    .description('each feature with its kind, its definition and the sources that have it')
    .option('--json', 'print one JSON array')
    .action(listAction);
  features
    .command('show')
    .description(
      'one feature: kind, entity, definition, hash a source, and the SQL that fills it from bronze',
    )
    .argument('<name>')
    .option('--json', 'print one JSON object with the SQL of every source')
    .action(showAction);
};

// === Helpers ===

const ENTRIES = paymentContent.features.entries;

async function listAction(options: JsonOption): Promise<void> {
  const reports = reportFeatures(ENTRIES, await openFeatures(paymentContent));
  if (options.json) {
    console.log(JSON.stringify(reports));
    return;
  }
  for (const { name, number, kind, definition, sources } of reports) {
    const where = sources.map((source) => source.name).join(', ');
    console.log(`${name.padEnd(24)} ${number.padStart(3)}  ${kind.padEnd(8)} ${definition}  [${where}]`);
  }
}

async function showAction(name: string, options: JsonOption): Promise<void> {
  const { sql, ...report } = showFeature(ENTRIES, { sets: await openFeatures(paymentContent), name });
  if (options.json) {
    console.log(JSON.stringify({ ...report, sql }));
    return;
  }
  for (const line of linesOf(report)) console.log(line);
  for (const [source, text] of Object.entries(sql)) console.log(`\n-- ${source}\n${text}`);
}

function linesOf({ name, number, kind, entity, description, definition, sources }: FeatureReport): string[] {
  return [
    `${name} (number ${number} of the catalogue): ${description}`,
    `  kind        ${kind}${entity === null ? '' : `, of the record's ${entity} in its topic and partition`}`,
    `  definition  ${definition}`,
    ...sources.map((source) => `  hash        ${source.hash}  ${source.name} (${source.table})`),
  ];
}
