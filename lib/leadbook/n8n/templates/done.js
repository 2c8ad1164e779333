// What this execution staged. next: where another execution goes on (POST it to the webhook); null at the vendor's end.
const p = $('Parameters').first().json;
const { received, batch, next } = $input.first().json;
return [{ json: { workflow: p.workflow, execution: p.execution, records: received, batches: batch, next } }];
