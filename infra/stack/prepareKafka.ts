import { spawnSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { loadConfig } from '../core/config.ts';
import { fault } from '../core/errorCatalog.ts';
import { freePorts } from './freePorts.ts';
import {
  brokerArgs,
  classArchive,
  classPath,
  formattedTemplate,
  java,
  kafkaCommand,
  kafkaHome,
  serverProperties,
} from './kafkaServer.ts';
import { launch } from './serverProcess.ts';

/**
 * Makes once what each start of a broker needs: a formatted directory to copy, and an archive of its
 * classes, with which a start takes half the time. bring.sh runs this file, one at a time.
 */
export async function prepareKafka(toolsDir: string): Promise<void> {
  const scratch = mkdtempSync(join(tmpdir(), 'tidemark-kafka-'));
  try {
    formatTemplate(toolsDir, scratch);
    await makeClassArchive(toolsDir, scratch);
  } finally {
    rmSync(scratch, { recursive: true, force: true });
  }
}

// === Helpers ===

function formatTemplate(toolsDir: string, scratch: string): void {
  const template = formattedTemplate(toolsDir);
  if (existsSync(template)) return;
  const dir = join(scratch, 'format');
  mkdirSync(dir);
  const properties = join(dir, 'server.properties');
  writeFileSync(properties, serverProperties({ dir, port: 1, controllerPort: 2, toolsDir }));
  const tool = ['kafka.tools.StorageTool', 'format', '-t', 'AAAAAAAAAAAAAAAAAAAAAQ', '-c', properties];
  const done = spawnSync(java(), ['-XX:TieredStopAtLevel=1', '-cp', classPath(toolsDir), ...tool], {
    encoding: 'utf8',
  });
  if (done.status !== 0) throw fault('STACK_BRING_FAILED', { tool: 'kafka', detail: done.stderr });
  moveAcross(join(dir, 'data'), template);
}

/** Java writes the archive when a broker that has loaded what it needs is stopped. */
async function makeClassArchive(toolsDir: string, scratch: string): Promise<void> {
  const archive = classArchive(toolsDir);
  if (existsSync(archive)) return;
  const [port = 0, controllerPort = 0] = await freePorts(2);
  const dir = join(scratch, 'archive');
  const command = kafkaCommand({ dir, port, controllerPort, toolsDir });
  const fresh = join(kafkaHome(toolsDir), `classes-${process.pid}.tmp`);
  const server = launch({
    ...command,
    args: [`-XX:ArchiveClassesAtExit=${fresh}`, ...brokerArgs(toolsDir, dir)],
  });
  await server.ready;
  await server.stop();
  if (existsSync(fresh)) renameSync(fresh, archive);
}

/** The scratch directory may be on another file system; Kafka writes files that only their owner reads. */
function moveAcross(from: string, to: string): void {
  const done = spawnSync('sh', [
    '-c',
    'cp -R "$1" "$2.tmp" && chmod -R u+w,a+rX "$2.tmp" && mv "$2.tmp" "$2"',
    'sh',
    from,
    to,
  ]);
  if (done.status !== 0) throw fault('STACK_BRING_FAILED', { tool: 'kafka', detail: String(done.stderr) });
}

if (import.meta.main) await prepareKafka(loadConfig(process.env).toolsDir);
