// The law of the adaptive limit in 144 simulated scenes, beside the best fixed limit of each; deterministic, no clock.
//
// Scenes: helpers × how much a crowd slows all down × spread of service times × course of the service time over 300 s.
// What the law itself promises is less than what the proof `adaptive` shows of one likely server: it must find the limit
// without being told anything of the server, from as few as 50 answers, also where service times are exponential. There one
// course of 300 s may be unlucky, since a window is a small sample: each scene is played with `--runs` chances, and what they
// come to on average is what is judged; the worst single one is shown.

import { bestFixed, runAdaptive, type Scene } from '../test/limits/turns-simulation.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';

const { number } = readFlags({ seed: '7', worst: '5', until: '300', runs: '10' }, { least: { until: 300, runs: 10 } });
const until = number('until');
const seeds = Array.from({ length: number('runs') }, (_, nth) => number('seed') + nth);
const inThe = (now: number): boolean => now >= until / 3 && now < (until * 2) / 3;
const COURSES: Readonly<Record<string, (now: number) => number>> = {
  'ten times as slow and back': (now) => (inThe(now) ? 0.2 : 0.02),
  'ten times as fast and back': (now) => (inThe(now) ? 0.02 : 0.2),
  'steady 50 ms': () => 0.05,
  'steady 500 ms': () => 0.5,
};
const rows: { readonly share: number; readonly lowest: number; readonly what: string; readonly even: boolean }[] = [];
for (const helpers of [2, 4, 8, 16]) {
  for (const thrash of [0, 0.02, 0.05]) {
    for (const spread of [0, 0.3, 1]) {
      for (const [course, service] of Object.entries(COURSES)) {
        const start = helpers === 2 ? 2 : 8;
        const scene: Scene = { helpers, thrash, spread, seed: number('seed'), until, callers: () => 60, service };
        const best = bestFixed(scene, 24);
        const shares = seeds.map((seed) => runAdaptive({ ...scene, seed }, start, start * 8).answered / best.answered);
        const share = shares.reduce((sum, one) => sum + one, 0) / shares.length;
        const what = `${helpers} helpers, crowd ${thrash}, spread ${spread}, ${course}: best ${best.limit}`;
        rows.push({ share, lowest: Math.min(...shares), what, even: spread < 1 });
      }
    }
  }
}
rows.sort((a, b) => a.share - b.share);
const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
const figures = createFigures('Answers under the law ÷ answers under the best fixed limit');
const mean = rows.reduce((sum, { share }) => sum + share, 0) / rows.length;
const low = rows.filter(({ share }) => share < 0.9);
figures.add('mean', '≥ 92 %', percent(mean), mean >= 0.92);
figures.add(
  'scenes below 90 %',
  '≤ 30',
  `${low.length} of ${rows.length}, ${low.filter(({ even }) => even).length} of them without exponential times`,
  low.length <= 30,
);
figures.add('lowest', '≥ 70 %', percent(rows[0]?.share ?? 0), (rows[0]?.share ?? 0) >= 0.7);
const [unlucky] = rows.toSorted((a, b) => a.lowest - b.lowest);
figures.add(`worst single run of ${seeds.length}: ${unlucky?.what}`, 'shown only', percent(unlucky?.lowest ?? 0), true);
for (const { share, what } of rows.slice(0, number('worst'))) figures.add(what, '', percent(share), true);
figures.print();
