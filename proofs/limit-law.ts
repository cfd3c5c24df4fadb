// The law of the adaptive limit in 144 simulated scenes, beside the best fixed limit of each; deterministic, no clock.
//
// Scenes: helpers × how much a crowd slows all down × spread of service times × course of the service time over 300 s.
// What the law itself promises is less than what the proof `adaptive` shows of one likely server: it must find the limit
// without being told anything of the server, from as few as 50 answers, also where service times are exponential.

import { bestFixed, runAdaptive, type Scene } from '../test/limits/turns-simulation.ts';
import { createFigures } from './figures.ts';
import { readFlags } from './flags.ts';

const { values } = readFlags({
  seed: '7',
  worst: '5',
  until: '300',
});
const until = Number(values.until);
const inThe = (now: number): boolean => now >= until / 3 && now < (until * 2) / 3;
const COURSES: Readonly<Record<string, (now: number) => number>> = {
  'ten times as slow and back': (now) => (inThe(now) ? 0.2 : 0.02),
  'ten times as fast and back': (now) => (inThe(now) ? 0.02 : 0.2),
  'steady 50 ms': () => 0.05,
  'steady 500 ms': () => 0.5,
};
const rows: { readonly share: number; readonly what: string; readonly even: boolean }[] = [];
for (const helpers of [2, 4, 8, 16]) {
  for (const thrash of [0, 0.02, 0.05]) {
    for (const spread of [0, 0.3, 1]) {
      for (const [course, service] of Object.entries(COURSES)) {
        const start = helpers === 2 ? 2 : 8;
        const scene: Scene = { helpers, thrash, spread, seed: Number(values.seed), until, callers: () => 60, service };
        const best = bestFixed(scene, 24);
        const { answered } = runAdaptive(scene, start, start * 8);
        const what = `${helpers} helpers, crowd ${thrash}, spread ${spread}, ${course}: best ${best.limit}`;
        rows.push({ share: answered / best.answered, what, even: spread < 1 });
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
for (const { share, what } of rows.slice(0, Number(values.worst))) figures.add(what, '', percent(share), true);
figures.print();
