import { describe, expect, it } from 'vitest';
import { jvmReturnHint, parseHeapInfo, parseJvmFlags } from '../../../../src/runtimes/jvm/parse-heap.ts';

const KIB = 1024;
const MIB = 2 ** 20;
const METASPACE = ` Metaspace       used 78K, committed 320K, reserved 1114112K
  class space    used 3K, committed 128K, reserved 1048576K
`;

/** As printed by JDK 17.0.15 and 25.0.3, less the address ranges. */
const FORMS: [string, string, number, number][] = [
  [
    'G1 of 17',
    ` garbage-first heap   total 614400K, used 411664K [0x00000000da800000, 0x0000000100000000)
  region size 1024K, 2 young (2048K), 1 survivors (1024K)
${METASPACE}`,
    411664 * KIB,
    614400 * KIB,
  ],
  [
    'G1 of 25',
    `garbage-first heap   total reserved 614400K, committed 414720K, used 104166K [0x00000000da800000, 0x0000000100000000)
 region size 1024K, 2 young (2048K), 1 survivors (1024K)
`,
    104166 * KIB,
    414720 * KIB,
  ],
  [
    'Serial of 17',
    ` def new generation   total 116160K, used 19455K [0x00000000da800000, 0x00000000e2600000, 0x00000000e7000000)
  eden space 103296K,   6% used [0x00000000da800000, 0x00000000daeff920, 0x00000000e0ce0000)
 tenured generation   total 258048K, used 188867K [0x00000000e7000000, 0x00000000f6c00000, 0x0000000100000000)
   the space 258048K,  73% used [0x00000000e7000000, 0x00000000f2870ed8, 0x00000000f2871000, 0x00000000f6c00000)
${METASPACE}`,
    (19455 + 188867) * KIB,
    (116160 + 258048) * KIB,
  ],
  [
    'Serial of 25',
    `DefNew     total 116160K, used 21532K [0x00000000da800000, 0x00000000e2600000, 0x00000000e7000000)
 eden space 103296K,   8% used [0x00000000da800000, 0x00000000db106bb0, 0x00000000e0ce0000)
Tenured    total 258048K, used 189664K [0x00000000e7000000, 0x00000000f6c00000, 0x0000000100000000)
`,
    (21532 + 189664) * KIB,
    (116160 + 258048) * KIB,
  ],
  [
    'Parallel',
    ` PSYoungGen      total 188928K, used 33980K [0x00000000f3800000, 0x0000000100000000, 0x0000000100000000)
  eden space 173056K, 10% used [0x00000000f3800000,0x00000000f49b30c8,0x00000000fe100000)
 ParOldGen       total 258048K, used 175114K [0x00000000da800000, 0x00000000ea400000, 0x00000000f3800000)
  object space 258048K, 67% used [0x00000000da800000,0x00000000e5302ab0,0x00000000ea400000)
${METASPACE}`,
    (33980 + 175114) * KIB,
    (188928 + 258048) * KIB,
  ],
  [
    'ZGC',
    `ZHeap            used 314M, capacity 378M, max capacity 600M
 Cache           64M (2)
  size classes   2M (1), 32M (1)
`,
    314 * MIB,
    378 * MIB,
  ],
  [
    'Shenandoah',
    `Shenandoah Heap
 600M max, 600M soft max, 377M committed, 52003K used
 2400 x 256K regions
Status: not cancelled
`,
    52003 * KIB,
    377 * MIB,
  ],
];

describe('parseHeapInfo', () => {
  it.each(FORMS)('reads %s', (_, text, usedBytes, committedBytes) => {
    expect(parseHeapInfo(text, 600 * MIB)).toEqual({
      usedBytes,
      committedBytes,
      limitBytes: 600 * MIB,
      limitedBytes: usedBytes,
      externalBytes: null,
    });
  });

  it('is null for a heap it does not know', () => {
    expect(parseHeapInfo('Epsilon Heap\nAllocation space:\n space 614400K, 3% used\n', null)).toBeNull();
    expect(parseHeapInfo('', null)).toBeNull();
  });
});

describe('parseJvmFlags', () => {
  it('takes collector, largest heap and whether it may be asked to collect', () => {
    const text =
      '-XX:CICompilerCount=2 -XX:+DisableExplicitGC -XX:MaxHeapSize=629145600 -XX:SoftMaxHeapSize=1 -XX:-UseCompressedOops -XX:+UseZGC \n';
    expect(parseJvmFlags(text)).toEqual({
      collector: 'Z',
      maxHeapBytes: 629145600,
      explicitGcDisabled: true,
    });
    expect(parseJvmFlags('-XX:-UseG1GC -XX:+UseSerialGC')).toEqual({
      collector: 'Serial',
      maxHeapBytes: null,
      explicitGcDisabled: false,
    });
  });
});

describe('jvmReturnMend', () => {
  it('names flags of the collector in use', () => {
    expect(jvmReturnHint('Z')).toContain('ZUncommitDelay');
    expect(jvmReturnHint('G1')).toContain('-Xms');
    for (const other of ['Serial', 'Parallel', 'ConcMarkSweep', null] as const)
      expect(jvmReturnHint(other)).toContain('-XX:+UseG1GC');
  });
});
