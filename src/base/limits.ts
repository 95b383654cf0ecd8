/**
 * Every bound of the system, in one place, with its unit and its reason. Reaching one is
 * back-pressure or a named S3 error, never growth. Names end in the unit.
 */
import { assert } from './assert.ts';

const KIB = 1024;
const MIB = 1024 * KIB;
const GIB = 1024 * MIB;
const TIB = 1024 * GIB;

export const LIMITS = {
  // memory
  /** Arena size by default; the arena never grows past what it was given. */
  arenaBytes: 256 * MIB,
  /** One arena block: the unit of copying, hashing, writing and reading. */
  blockBytes: 256 * KIB,
  /** Storage alignment of every shard offset, so that O_DIRECT is possible. */
  unitBytes: 4 * KIB,
  /** One checksum (xxHash64) per this many shard bytes. */
  checksumBlockBytes: 64 * KIB,

  // objects
  keyBytes: 1024,
  objectBytes: 5 * TIB,
  putBytes: 5 * GIB,
  partBytes: 5 * GIB,
  partBytesMin: 5 * MIB,
  partCount: 10_000,
  metadataBytes: 2 * KIB,
  tagCount: 10,
  tagKeyChars: 128,
  tagValueChars: 256,
  deleteKeyCount: 1000,
  listKeyCount: 1000,
  listBucketCount: 10_000,
  bucketsPerOwner: 10_000,

  // storage
  /** Bodies up to this live inside the metadata row (one durable group commit, no chunk). */
  inlineBytes: 16 * KIB,
  /** Bodies up to this are packed in append-only volumes; larger ones get shard files. */
  packedBytes: 512 * KIB,
  /** One chunk at most; a longer body is a list of chunks. Multiple of every stripe width used. */
  chunkBytes: 240 * MIB,
  /** Packed volume file: closed to appends past this size. */
  volumeBytes: 256 * MIB,
  /** Blocks of one chunk on their way to datanodes: enough to keep the disks busy. */
  writerBlocksInFlight: 8,
  /** Messages on their way to one datanode; then requests wait until so many make a batch. */
  datanodeMessages: 2,
  datanodeBatch: 16,
  /** Writes to one shard file that wait for each other, to go to disk in one call. */
  gatherBytes: 1 * MIB,
  /** Blocks of one reader that are read ahead of its consumer; fewer of one that is slow. */
  readAheadBlocks: 4,
  readAheadBlocksMin: 2,
  /** How long a writer waits for parity blocks before its client is told to slow down. */
  parityWaitMs: 30_000,
  /** Descriptors a datanode keeps for shard files that were read, and for volumes. */
  shardFilesOpen: 256,
  volumeFilesOpen: 64,
  /** A volume is rewritten only to give back at least this much. */
  rewriteBytesMin: 1 * MIB,
  /** Unreadable shards that are remembered, so that each is logged once and not at every read. */
  reportedShards: 1024,
  /** MetaStore contract bounds, chosen so that a RADOS omap engine stays possible. */
  rowKeyBytes: 1600,
  rowValueBytes: 64 * KIB,
  scanRows: 1000,
  commitWrites: 500,

  // protocol
  headerBytes: 32 * KIB,
  headerCount: 200,
  /** Bytes of further requests that a client may send ahead of its answer. */
  pipelineBytes: 64 * KIB,
  /** Open connections; more are closed at once. */
  connectionCount: 20_000,
  /** Requests served at once; one more is told to slow down. */
  requestCount: 4096,
  /** An answer waits for the rest of the request's body when it is no more than this. */
  drainBytes: 1 * MIB,
  /** After an answer that could not wait, this much more is read and dropped before the cut. */
  refusedBytes: 256 * MIB,
  /** See `contendedMs`: 16 KiB/s, what uWebSockets by itself would demand at all times. */
  contendedBytes: 48 * KIB,
  /** Everything of a posted form but its file: AWS's bound. */
  formBytes: 20 * KIB,
  formFieldCount: 100,
  /** RFC 2046: longer boundaries are not allowed. */
  boundaryChars: 70,
  /** Of a posted form's policy: what one can sign is good no longer than a signing key. */
  policyConditions: 200,
  xmlDepth: 16,
  /** CompleteMultipartUpload with 10,000 parts and five checksums each stays below this. */
  completeXmlBytes: 4 * MIB,
  deleteXmlBytes: 3 * MIB,
  configXmlBytes: 64 * KIB,
  /** One configuration of a bucket as it is stored: fits a row with its frame. */
  configTextBytes: 60 * KIB,
  /** AWS's bound for a bucket policy. */
  policyBytes: 20 * KIB,
  /** AWS's bound for one access control list. */
  grantCount: 100,
  /** Parsed configurations that are remembered, of each kind. */
  parsedConfigCount: 4096,
  /** Pairs that a KMS key is bound to, as JSON: a row keeps them three times. */
  encryptionContextBytes: 2 * KIB,
  kmsKeyIdChars: 2048,
  /** Rules of one configuration, as AWS bounds them. */
  bucketTagCount: 50,
  corsRuleCount: 100,
  lifecycleRuleCount: 1000,
  lifecycleDays: 2_147_483_647,
  newerNoncurrentVersions: 100,
  notificationCount: 100,
  routingRuleCount: 50,
  ruleIdChars: 255,
  xmlNodes: 100_000,
  chunkHeaderBytes: 1 * KIB,
  chunkBytesMax: 5 * GIB,
  trailerBytes: 16 * KIB,
  /** Signed chunks other than the last must be at least this long: AWS's rule. */
  signedChunkBytesMin: 8 * KIB,
  /** Full blocks of one body that wait for its consumer; past this the socket is paused. */
  bodyQueueBlocks: 4,
  /** Full blocks of one body that wait for, or are in, its digests. */
  bodyDigestBlocks: 8,
  /** Bodies with running digests: twice the requests, for those that ended but are still away. */
  digestBodies: 8192,
  /** Bodies whose blocks a digest thread takes at once: two rounds of lock-step lanes. */
  digestBatchBodies: 8,
  /** Digest threads at most: each takes scratch from what the arena keeps for kernels. */
  digestThreads: 64,
  /** Pieces of one body that arrive although the socket is paused; past this it is cut. */
  bodyStashBytes: 2 * MIB,
  clockSkewMs: 15 * 60_000,
  presignSeconds: 604_800,
  /** Query parameters of one request: S3 knows about sixty names. */
  queryCount: 128,
  /** Region names inside a credential's scope. */
  regionChars: 64,
  /** Derived signing keys that are remembered: one per secret, day and region. */
  signingKeyCount: 1024,

  /** Events that wait for one target; one more, and the request that caused it must slow down. */
  eventQueueRows: 1_000_000,
  /** Records of one document that is delivered to a target. */
  eventBatch: 100,
  /** Lines of one bucket's access log that wait for their delivery; more are dropped, and told. */
  accessLogBytes: 4 * MIB,

  // time
  /**
   * Blocks in the middle of a body wait this long for blocks of other bodies to be digested with.
   * The end of a body never waits, nor does a body that is alone or has half its blocks waiting.
   */
  digestGatherMs: 2,
  /** How long a target may take to accept a document. */
  eventDeliveryMs: 10_000,
  /** Longest pause between two attempts to reach a target. */
  eventRetryMs: 60_000,
  /** A connection without a request in flight is closed after this. */
  keepAliveMs: 75_000,
  /** The same where uWebSockets holds the connections: it is built in there. */
  uwsIdleMs: 10_000,
  /** From the first byte of a request's head to its last. */
  headMs: 20_000,
  /** A request body with no byte for this long is cut with RequestTimeout. */
  bodyIdleMs: 30_000,
  /**
   * While others wait for memory, an upload that takes longer than this for `contendedBytes`, or a
   * reader that takes nothing for this long, gives way. Without contention both may go on.
   */
  contendedMs: 3_000,
  /** A client that sends a body nobody wants may go on this long, to find its answer. */
  refusedMs: 15_000,
  /** ... but is cut, or answered at last, when it sends nothing for this long. */
  refusedIdleMs: 3_000,
  /** A response the client does not read for this long is cut. */
  responseIdleMs: 60_000,
  /** How long a stop waits for running requests. */
  drainMs: 20_000,
  /** Replaced bytes stay readable this long, so running reads finish. */
  reclaimGraceMs: 60_000,
  /** A multipart upload nobody completed is aborted after this. */
  uploadDays: 7,
} as const;

assert(LIMITS.arenaBytes % LIMITS.blockBytes === 0, 'the arena holds whole blocks');
assert(LIMITS.blockBytes % LIMITS.checksumBlockBytes === 0, 'blocks hold whole checksum blocks');
assert(LIMITS.checksumBlockBytes % LIMITS.unitBytes === 0, 'checksum blocks hold whole units');
assert(LIMITS.inlineBytes < LIMITS.rowValueBytes, 'an inline body fits a row');
assert(LIMITS.packedBytes % LIMITS.blockBytes === 0, 'packed bodies reserve whole blocks');
assert(LIMITS.keyBytes + 64 < LIMITS.rowKeyBytes, 'a key with its prefix fits a row key');
