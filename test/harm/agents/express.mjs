// An agent on Express, with conversations that come and go.
import express from 'express';
import { tick, up } from './tick.mjs';

const sessions = new Map();
const app = express();
app.get('/', (_request, response) => {
  const id = Math.floor(Math.random() * 400);
  sessions.set(
    id,
    Array.from({ length: 500 }, (_, i) => ({ role: 'user', content: `${id} ${i} ${'x'.repeat(400)}` })),
  );
  response.json({ id, turns: sessions.get(id).length });
});
app.listen(8080, '127.0.0.1', up);
tick();
