import { join } from 'node:path';
import type { Config } from '../core/config.ts';
import { kafkaCommand } from './kafkaServer.ts';
import { NODE_FLAGS } from './nodeFlags.ts';
import { postgresCommand } from './postgresServer.ts';
import type { ProcessSpec } from './processSpec.ts';
import type { ServerCommand } from './serverProcess.ts';
import { logFileOf, type StackPaths, stackPaths } from './stackPaths.ts';

/**
 * Everything that `up` runs, in the order in which it is shown. A Kafka or PostgreSQL of somebody
 * else's is not in it. The scheduled jobs yield to all others: they catch up, landing and decisions must not wait.
 */
export function planProcesses(config: Config): ProcessSpec[] {
  const paths = stackPaths(config.homeDir);
  const all = [
    ...(config.kafka.external ? [] : [kafka(config, paths)]),
    ...(config.postgres.external ? [] : [postgres(config, paths)]),
    own(paths, { name: 'ingest', nice: 0, needs: ['kafka'], where: 'Kafka to bronze tables' }),
    own(paths, {
      ...{ name: 'score', nice: 0, needs: ['kafka'], where: 'a decision for every record' },
      heldBackBy: paths.seedingFile,
    }),
    own(paths, {
      ...{
        name: 'jobs',
        nice: 10,
        needs: ['postgres'],
        where: 'silver, gold and features on schedule, training, alerts',
      },
      heldBackBy: paths.seedingFile,
    }),
    ...(config.demo ? [demo(paths)] : []),
  ];
  const planned = new Set(all.map((spec) => spec.name));
  return all.map((spec) => ({ ...spec, needs: spec.needs.filter((name) => planned.has(name)) }));
}

// === Helpers ===

/** A process of ours counts as ready when it has survived its start for this long. */
const SURVIVED_MS = 2_000;

const PROCESSES_DIR = join(import.meta.dirname, '..', 'processes');

function kafka(config: Config, paths: StackPaths): ProcessSpec {
  const { port, controllerPort } = config.kafka;
  const logFile = logFileOf(paths, 'kafka');
  return {
    ...{ name: 'kafka', nice: 0, needs: [], where: `127.0.0.1:${port}`, logFile },
    ports: [
      { port, setting: 'TIDEMARK_KAFKA_PORT' },
      { port: controllerPort, setting: 'TIDEMARK_KAFKA_CONTROLLER_PORT' },
    ],
    command: () =>
      kafkaCommand({ dir: paths.kafkaDir, port, controllerPort, toolsDir: config.toolsDir, logFile }),
  };
}

function postgres(config: Config, paths: StackPaths): ProcessSpec {
  const { port } = config.postgres;
  const logFile = logFileOf(paths, 'postgres');
  return {
    ...{ name: 'postgres', nice: 0, needs: [], where: `127.0.0.1:${port}`, logFile },
    ports: [{ port, setting: 'TIDEMARK_POSTGRES_PORT' }],
    command: () => postgresCommand({ dir: paths.postgresDir, port, logFile }),
  };
}

function demo(paths: StackPaths): ProcessSpec {
  const where = 'gentle simulated traffic to Kafka';
  return own(paths, {
    ...{ name: 'demo', nice: 5, needs: ['kafka', 'ingest', 'score'], where },
    heldBackBy: paths.seedingFile,
  });
}

/** A process of ours: the file of its name in infra/processes, with the Node that runs us. */
function own(paths: StackPaths, spec: Omit<ProcessSpec, 'ports' | 'logFile' | 'command'>): ProcessSpec {
  const logFile = logFileOf(paths, spec.name);
  const file = join(PROCESSES_DIR, `${spec.name}.ts`);
  const command = (): ServerCommand => {
    const startedMs = Date.now();
    return {
      name: spec.name,
      command: process.execPath,
      args: [...NODE_FLAGS, file],
      logFile,
      stopSignal: 'SIGTERM',
      isReady: async () => Date.now() - startedMs >= SURVIVED_MS,
    };
  };
  return { ...spec, ports: [], logFile, command };
}
