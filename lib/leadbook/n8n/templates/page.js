// The request for one page. The first item comes from Parameters, later ones from Pause, which hands the state on.
const p = $('Parameters').first().json;
const came = $input.first().json;
const state = came.step ? came
  : { page: p.first_page, cursor: p.first_cursor, attempt: 0, received: 0, batch: 0, held: [] };
const query = { [p.size_field]: p.page_size };
if (p.paging === 'page') query[p.page_field] = state.page;
if (p.paging === 'offset') query[p.page_field] = (state.page - 1) * p.page_size;
if (p.paging === 'cursor' && state.cursor) query[p.page_field] = state.cursor;
return [{ json: { ...state, step: 'asked', query } }];
