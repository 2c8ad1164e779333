// What the vendor answered: records, "not yet", or an error. Errors name no record: they reach the alert channel.
const p = $('Parameters').first().json;
const { query, ...state } = $('Page').first().json;
const { statusCode, headers, data } = $input.first().json;

const at = (value, path) => path.split('.').filter(Boolean).reduce((found, key) => found?.[key], value);
let answer = null;
try { answer = JSON.parse(data); } catch { /* no JSON: judged below */ }
const records = at(answer, p.records_field);

const busy = [202, 408, 425, 429, 500, 502, 503, 504].includes(statusCode);
if (busy || (statusCode < 300 && !Array.isArray(records))) {  // Bright Data says "not ready yet" with 200 as well
  const attempt = state.attempt + 1;
  const said = busy ? `answered ${statusCode}` : 'answered without a list of records';
  if (attempt >= p.attempts) throw new Error(`${p.vendor} ${said} ${attempt} times, at page ${state.page}`);
  const asked = Number(headers?.['retry-after']);
  const wait = Math.min(60, asked > 0 ? asked : 2 ** state.attempt);
  return [{ json: { ...state, step: 'ask', attempt, wait } }];
}
if (statusCode >= 300) throw new Error(`${p.vendor} answered ${statusCode}, at page ${state.page}`);

const cursor = p.paging === 'cursor' ? at(answer, p.cursor_field) ?? '' : '';
const received = state.received + records.length;
const more = records.length > 0
  && !(p.paging === 'cursor' && !cursor)
  && !(p.short_page_ends && records.length < p.page_size);
const full = received >= p.max_records;  // n8n keeps every page in memory until the execution ends
const last = !more || full;

// One record at least is held back until it is known whether another page follows: the last batch must be marked.
const held = [...state.held, ...records];
const batches = [];
while (held.length > p.batch_size) batches.push(held.splice(0, p.batch_size));
if (last && held.length) batches.push(held.splice(0));
const next = more ? { page: state.page + 1, cursor } : null;
return [{ json: {
  ...state, step: batches.length ? 'stage' : last ? 'done' : 'ask', attempt: 0, wait: p.pause_s, page: state.page + 1,
  cursor, received, held, batches, last, next,
} }];
