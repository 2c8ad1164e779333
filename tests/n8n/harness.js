// Runs the JavaScript of Code nodes as n8n does: `$`, `$input` and `$execution` are what it hands them.
// stdin: {scripts: {node: code}, …}: `chain` holds [node, input] one after another (without an input it takes what the
// node before gave), else a collector's whole way is gone. stdout: what came of it, as JSON.
const job = JSON.parse(require('fs').readFileSync(0, 'utf8'));
const ran = {};
const items = (rows) => ({ all: () => rows.map((json) => ({ json })), first: () => ({ json: rows[0] }) });
function call(node, input) {
  const code = new Function('$', '$input', '$execution', job.scripts[node]);
  const out = JSON.parse(JSON.stringify(code((name) => items(ran[name]), items(input), { id: job.execution ?? '1' })));
  ran[node] = out.map((one) => one.json);
  return ran[node];
}
// A collector's whole way, by its connections: answers(n) is what the vendor says to the n-th request.
function collect() {
  ran.Parameters = [job.parameters];
  const found = { inserted: [], queries: [], waits: [], done: null };
  let state = call('Page', [{}]);
  for (let n = 0; ; n += 1) {
    found.queries.push(state[0].query);
    state = call('Read answer', [job.answers[Math.min(n, job.answers.length - 1)]]);
    if (state[0].step === 'stage') {
      const staged = call('Stamp', state);
      for (let at = 0; at < staged.length; at += job.parameters.batch_size) {
        found.inserted.push(staged.slice(at, at + job.parameters.batch_size));
      }
      state = call('After page', [{}]);
    }
    if (state[0].step === 'done') { [found.done] = call('Done', state); return found; }
    found.waits.push(state[0].wait);
    state = call('Page', state);
  }
}
try {
  const found = job.chain
    ? job.chain.reduce((came, [node, input]) => call(node, input ?? came), null) && ran : collect();
  process.stdout.write(JSON.stringify({ found }));
} catch (error) { process.stdout.write(JSON.stringify({ error: error.message })); }
