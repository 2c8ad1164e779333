// What Redis does not know, or cannot say, MongoDB is asked: all of it in one find. `get` drops the input fields, so
// that values and addresses are joined by their order.
const asked = $('Keys').all().map((item) => item.json);
const values = $input.all().map((item) => item.json.value);
const knows = (text, collection) => {
  try { return JSON.parse(text).collection === collection; } catch { return false; }
};
const hits = asked.map((one, n) => values.length === asked.length && one.collection !== '' && one.canonical !== ''
  && typeof values[n] === 'string' && knows(values[n], one.collection));
const misses = [...new Set(asked.filter((one, n) => !hits[n] && one.canonical).map((one) => one.canonical))];
return [{ json: { hits, query: JSON.stringify({ linkedin_url: { $in: misses } }) } }];
