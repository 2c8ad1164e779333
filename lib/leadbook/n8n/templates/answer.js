// One answer for each lead, in the order asked: true, false, or "unknown" where nobody could say.
const asked = $('Keys').all().map((item) => item.json);
const { hits } = $('Left for MongoDB').first().json;
const rows = $input.all().map((item) => item.json);
const failed = rows.some((row) => row.error !== undefined || row.query !== undefined);  // n8n hands on its input then
const found = new Set(rows.map((row) => row.linkedin_url));
return asked.map((one, n) => ({ json: {
  linkedin_url: one.linkedin_url,
  known: hits[n] || (failed || !one.canonical ? 'unknown' : found.has(one.canonical)),
} }));
