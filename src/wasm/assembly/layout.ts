// Where the kernels keep things below the first arena block. The tables hold constants only: any
// thread may write them again, for it writes the same. The module has no data segments: those
// would be written again, zeroes first, by every instance on the shared memory.

/** 256 coefficients of 32 bytes: products with the 16 low, then with the 16 high nibbles. */
export const GF_TABLES: usize = 0x10000;
/** Slicing tables of 256 entries; table k advances a byte by k further zero bytes. */
export const CRC32_TABLES: usize = 0x14000;
export const CRC32C_TABLES: usize = 0x18000;
export const CRC64_TABLES: usize = 0x20000;
/** The 64 constants of MD5. */
export const MD5_SINES: usize = 0x28000;

/** How many bytes the slicing tables take in one step. */
export const SLICES: u32 = 16;

/** Scratch of one thread, handed out by kernels.ts, which repeats the number. */
export const SCRATCH_BYTES: u32 = 0x8000;

/** The CRCs, as constants that choose code at compile time. */
export const CRC32: u32 = 0;
export const CRC32C: u32 = 1;
export const CRC64: u32 = 2;
