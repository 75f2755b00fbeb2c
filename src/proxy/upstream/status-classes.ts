/** Index is the first digit of the status code; 0 is a try without an answer. */
export const statusClasses: readonly string[] = ['none', '1xx', '2xx', '3xx', '4xx', '5xx']
