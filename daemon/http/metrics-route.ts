/** GET /metrics: what Prometheus scrapes. */
import type { Metrics } from '../metrics/metrics.ts';
import { type HttpRoute, refuse } from './http-server.ts';

export function metricsRoute(metrics: Metrics): HttpRoute {
  return async (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      refuse(response, 405, 'GET it');
      return;
    }
    const { type, text } = await metrics.exposition();
    response.writeHead(200, { 'Content-Type': type });
    response.end(text);
  };
}
