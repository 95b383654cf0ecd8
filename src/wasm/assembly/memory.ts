// Copying, clearing and XOR of spans: the arithmetic of replication and of the XOR code.

export function copy(target: usize, source: usize, length: usize): void {
  memory.copy(target, source, length);
}

export function zero(target: usize, length: usize): void {
  memory.fill(target, 0, length);
}

export function xorInto(target: usize, source: usize, length: usize): void {
  const end = target + length;
  while (end - target >= 64) {
    v128.store(target, v128.xor(v128.load(target), v128.load(source)));
    v128.store(target, v128.xor(v128.load(target, 16), v128.load(source, 16)), 16);
    v128.store(target, v128.xor(v128.load(target, 32), v128.load(source, 32)), 32);
    v128.store(target, v128.xor(v128.load(target, 48), v128.load(source, 48)), 48);
    target += 64;
    source += 64;
  }
  while (end - target >= 8) {
    store<u64>(target, load<u64>(target) ^ load<u64>(source));
    target += 8;
    source += 8;
  }
  while (target < end) {
    store<u8>(target, load<u8>(target) ^ load<u8>(source));
    target += 1;
    source += 1;
  }
}
