import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { median, percentile, slope, spreadOf } from '../../../perf/spread.ts';

const values = fc.array(fc.double({ min: -1e6, max: 1e6, noNaN: true }), { minLength: 1 });
const ascending = (list: readonly number[]): number[] => list.toSorted((a, b) => a - b);

describe('percentile', () => {
  it('is the least value that so many are not above', () => {
    fc.assert(
      fc.property(values, fc.double({ min: 0.001, max: 1, noNaN: true }), (list, share) => {
        const sorted = ascending(list);
        const slow = sorted.find(
          (one) => sorted.filter((other) => other <= one).length >= sorted.length * share - 1e-9,
        );
        expect(percentile(sorted, share)).toBe(slow);
      }),
    );
  });

  it('is no number without values', () => {
    expect(percentile([], 0.5)).toBeNaN();
  });
});

describe('median', () => {
  it('has as many below as above, whatever the order', () => {
    fc.assert(
      fc.property(values, (list) => {
        const middle = median(list);
        const below = list.filter((one) => one < middle).length;
        const above = list.filter((one) => one > middle).length;
        expect(Math.max(below, above)).toBeLessThanOrEqual(list.length / 2);
        expect(median(list.toReversed())).toBe(middle);
      }),
    );
  });

  it('lies half-way of an even number', () => {
    expect(median([4, 1, 3, 2])).toBe(2.5);
    expect(spreadOf([4, 1, 3, 2])).toEqual({ median: 2.5, min: 1, max: 4 });
  });
});

describe('slope', () => {
  it('finds the line that points lie on', () => {
    const factor = fc.integer({ min: -100, max: 100 });
    fc.assert(
      fc.property(factor, factor, (rise, start) => {
        const points = [0, 1, 5, 9].map((x) => [x, start + rise * x] as const);
        expect(slope(points)).toBeCloseTo(rise, 6);
      }),
    );
  });

  it('is what least squares say of points beside the line', () => {
    expect(
      slope([
        [0, 0],
        [1, 2],
        [2, 1],
        [3, 3],
      ] as const),
    ).toBeCloseTo(0.8, 12);
  });
});
