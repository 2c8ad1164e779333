// Which workflow, which execution, which node, and why. Addresses, quoted texts and documents are taken out: an error
// can quote a lead.
const { workflow, execution, trigger } = $input.first().json;
const error = (execution ?? trigger)?.error ?? {};
const clean = (text) => String(text ?? '')
  .replace(/[{[][\s\S]*[}\]]/g, '…')
  .replace(/(["'`“‘])[\s\S]*?(["'`”’]|$)/g, '…')
  .replace(/\S*(?::\/\/|@|\/in\/|linkedin\.com)\S*/gi, '…')
  .split('\n')[0].slice(0, 200)
  .replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');
const name = (text) => String(text ?? 'unknown').slice(0, 100);
return [{ json: { text: [
  `n8n: ${name(workflow?.name)} failed (database ${'@database'})`,
  `execution ${name(execution?.id)}, node ${name(execution?.lastNodeExecuted ?? error.node?.name)}`,
  clean(error.message),
].join('\n') } }];
