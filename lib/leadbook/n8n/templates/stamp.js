// The staged records, each with its batch's stamp. All batches but an execution's last hold batch_size records, so
// that Batches hands the same ones to the MongoDB node.
const p = $('Parameters').first().json;
const { batches, batch, last } = $input.first().json;
const collected_at = new Date().toISOString();  // a date in MongoDB: the node's options.dateFields name it

const plain = (value, left) => value === null || typeof value !== 'object' || (left > 0
  && Object.entries(value).every(([key, inner]) => !/^\$|\0/.test(key) && plain(inner, left - 1)));
// One record that MongoDB refuses would lose the rest of its batch: what it might refuse is staged as JSON text.
const payload = (record) => record !== null && typeof record === 'object' && !Array.isArray(record) && plain(record, 50)
  ? record : JSON.stringify(record);

return batches.flatMap((records, index) => records.map((record) => ({ json: {
  vendor: p.vendor,
  payload: payload(record),
  collected_at,
  collector: {
    workflow: p.workflow,
    execution: p.execution,
    batch: batch + index + 1,
    size: records.length,
    last: last && index === batches.length - 1,
  },
} })));
