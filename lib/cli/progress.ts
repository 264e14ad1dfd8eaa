/** Progress on stderr: one moving line on a terminal, one line per finished row in a pipe. */
import { outcomeText } from '../report/outcome-text.ts'
import { rowId, type Row } from '../scenario/row.ts'

export interface Progress {
  say(text: string): void
  note(row: Row): void
  end(): void
}

const ERASE_LINE = '\r\u001b[2K'

export function progressLine(stream: NodeJS.WriteStream): Progress {
  const moving = stream.isTTY
  let done = 0
  return {
    say(text) {
      if (moving) stream.write(`${ERASE_LINE}${`[${done} done] ${text}`.slice(0, (stream.columns || 80) - 1)}`)
    },
    note(row) {
      done += 1
      if (!moving) stream.write(`${rowId(row)} on ${row.posture}: ${outcomeText(row.attack)} -> ${row.verdict}\n`)
    },
    end() {
      if (moving) stream.write(ERASE_LINE)
    },
  }
}
