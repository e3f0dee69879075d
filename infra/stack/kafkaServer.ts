import { randomUUID } from 'node:crypto';
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { fault } from '../core/errorCatalog.ts';
import { requireExecutable } from './executables.ts';
import { answersMetadata } from './kafkaProbe.ts';
import { type LaunchOptions, launch, type RunningServer, type ServerCommand } from './serverProcess.ts';

/** One Kafka broker in KRaft mode that is its own controller, for one machine. */
export interface KafkaServerOptions {
  /** Everything of this broker; may hold what an earlier one left. */
  readonly dir: string;
  readonly port: number;
  readonly controllerPort: number;
  /** Config.toolsDir, filled by bring.sh. */
  readonly toolsDir: string;
  readonly logFile?: string;
}

export interface KafkaServer extends RunningServer {
  /** `host:port` for clients. */
  readonly brokers: string;
}

export const KAFKA_VERSION = '4.4.0';

/** Prepares the directory and starts the broker; `ready` says when clients may come. */
export function startKafka(options: KafkaServerOptions, launchOptions: LaunchOptions = {}): KafkaServer {
  const server = launch(kafkaCommand(options), launchOptions);
  return { ...server, brokers: `127.0.0.1:${options.port}` };
}

/** Prepares the directory and says how the broker is started. @throws STACK_TOOL_MISSING */
export function kafkaCommand(options: KafkaServerOptions): ServerCommand {
  const { dir, port, toolsDir } = options;
  const archive = classArchive(toolsDir);
  mkdirSync(dir, { recursive: true });
  copyFormatted(toolsDir, join(dir, 'data'));
  writeFileSync(join(dir, 'server.properties'), serverProperties(options));
  writeFileSync(join(dir, 'log4j2.xml'), LOG4J);
  return {
    name: 'kafka',
    command: java(),
    args: [
      ...(existsSync(archive) ? [`-XX:SharedArchiveFile=${archive}`] : []),
      ...brokerArgs(toolsDir, dir),
    ],
    cwd: dir,
    logFile: options.logFile ?? join(dir, 'kafka.log'),
    stopSignal: 'SIGTERM',
    isReady: () => answersMetadata('127.0.0.1', port),
  };
}

/** Arguments after the archive: quick to start rather than quick at its peak. */
export function brokerArgs(toolsDir: string, dir: string): string[] {
  return [
    '-Xmx256m',
    '-XX:TieredStopAtLevel=1',
    '-XX:+UseSerialGC',
    `-Dlog4j2.configurationFile=${join(dir, 'log4j2.xml')}`,
    '-cp',
    classPath(toolsDir),
    'kafka.Kafka',
    join(dir, 'server.properties'),
  ];
}

/** Where the jars are. */
export function kafkaHome(toolsDir: string): string {
  return join(toolsDir, `kafka-${KAFKA_VERSION}`);
}

/** Path of the class archive of this Java: one that another Java wrote is of no use. */
export function classArchive(toolsDir: string): string {
  const { size, mtimeMs } = statSync(realpathSync(java()));
  return join(kafkaHome(toolsDir), `classes-${size}-${Math.trunc(mtimeMs)}.jsa`);
}

/** The directory of an empty broker, copied for each new one; made by `prepareKafka`. */
export function formattedTemplate(toolsDir: string): string {
  return join(kafkaHome(toolsDir), 'formatted');
}

/** All jars in a fixed order: a class archive is only valid for the class path it was made with. */
export function classPath(toolsDir: string): string {
  const libs = join(kafkaHome(toolsDir), 'libs');
  if (!existsSync(libs)) {
    throw fault('STACK_TOOL_MISSING', { tool: 'the Kafka broker', command: 'make setup' });
  }
  const jars = readdirSync(libs).filter((name) => name.endsWith('.jar'));
  return jars
    .sort()
    .map((name) => join(libs, name))
    .join(':');
}

/** The Java runtime. @throws STACK_TOOL_MISSING */
export function java(): string {
  return requireExecutable('java', 'make setup');
}

// === Helpers ===

/** Copied beside and renamed, so that a crash in between leaves no half of it. */
function copyFormatted(toolsDir: string, dataDir: string): void {
  if (existsSync(dataDir)) return;
  const fresh = `${dataDir}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  cpSync(formattedTemplate(toolsDir), fresh, { recursive: true });
  const meta = join(fresh, 'meta.properties');
  // Two brokers from one template must not pass for one cluster.
  const own = readFileSync(meta, 'utf8').replace(/^(cluster|directory)\.id=.*$/gm, `$1.id=${kafkaUuid()}`);
  writeFileSync(meta, own);
  renameSync(fresh, dataDir);
}

/** 16 random bytes as Kafka writes them: base64 for URLs without padding. */
function kafkaUuid(): string {
  return Buffer.from(randomUUID().replaceAll('-', ''), 'hex').toString('base64url');
}

/** Quick restarts (sessions of 2 s), small buffers, one node; topics are never made by accident. */
export function serverProperties({ dir, port, controllerPort }: KafkaServerOptions): string {
  return `process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:${controllerPort}
listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}
advertised.listeners=PLAINTEXT://127.0.0.1:${port}
controller.listener.names=CONTROLLER
log.dirs=${join(dir, 'data')}
auto.create.topics.enable=false
broker.session.timeout.ms=2000
broker.heartbeat.interval.ms=500
group.initial.rebalance.delay.ms=0
offsets.topic.num.partitions=3
offsets.topic.replication.factor=1
transaction.state.log.num.partitions=3
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
share.coordinator.state.topic.num.partitions=3
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
log.cleaner.dedupe.buffer.size=16777216
num.io.threads=4
num.network.threads=2
`;
}

const LOG4J = `<Configuration status="WARN">
  <Appenders>
    <Console name="out"><PatternLayout pattern="%d{yyyy-MM-dd'T'HH:mm:ss.SSS} %p %c{1} %m%n"/></Console>
  </Appenders>
  <Loggers>
    <Root level="WARN"><AppenderRef ref="out"/></Root>
    <Logger name="kafka.server.KafkaRaftServer" level="INFO"/>
  </Loggers>
</Configuration>
`;
