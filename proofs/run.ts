import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

// `npm run proof` lists the proofs with their first sentence; `npm run proof <name> -- [flags]` runs one.
const FOLDER = import.meta.dirname;
/** A proof begins with what it proves; the other files are what proofs have in common. */
const sentence = (file: string): string | undefined => /^\/\/ (.+)/.exec(readFileSync(join(FOLDER, file), 'utf8'))?.[1];
const proofs = readdirSync(FOLDER).filter((file) => file.endsWith('.ts') && sentence(file) !== undefined);

const [name, ...flags] = process.argv.slice(2);
const file = `${name}.ts`;
if (name === undefined) {
  for (const proof of proofs) console.log(`${proof.replace('.ts', '').padEnd(22)} ${sentence(proof)}`);
} else if (proofs.includes(file)) {
  const child = spawn(process.execPath, [join(FOLDER, file), ...flags], { stdio: 'inherit' });
  child.once('exit', (code) => {
    process.exitCode = code ?? 1;
  });
} else {
  console.error(`There is no proof “${name}”. There are: ${proofs.map((p) => p.replace('.ts', '')).join(', ')}`);
  process.exitCode = 2;
}
