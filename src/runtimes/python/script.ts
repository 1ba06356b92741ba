import { PYTHON_WORK } from './work.ts';

/** What the scripts need to know; all in `directory`, as the agent names it. */
export interface ScriptOptions {
  command: 'collect' | 'profile';
  directory: string;
  /** The agent's own pid: a child forked meanwhile inherits the order and must not follow it. */
  ownPid: number;
  /** Seconds since 1970 from which on the order is void: the guardian may have ended. */
  deadline: number;
}

/** The files: `TOKEN` is there until somebody takes it, the script (which then runs) or the guardian (which then does not want it any more). */
export const SCRIPT = 'script.py';
export const WORK = 'work.py';
export const RESCUE = 'rescue.py';
export const TOKEN = 'token';
export const RESULT = 'result';

/**
 * What CPython runs in the agent's main thread. Its names live in a namespace of their own and it prints nothing. A signal
 * handler of the program may raise while it runs; that exception belongs to the program and is raised again in the main
 * thread once the script has returned. What is raised before the `try` is lost: hence so short a script (compiled in
 * 0.1 ms) that runs the long ones.
 */
export function remoteScript(directory: string): string {
  const run = (name: string) => `exec(open(${text(`${directory}/${name}`)}, "rb").read()`;
  return `try:
 ${run(WORK)}, {})
except BaseException as error:
 try:
  ${run(RESCUE)}, {"error": error})
 except BaseException:
  pass
`;
}

/** Tells an exception of the program's own, raised by one of its signal handlers or forwarded by an earlier rescue. */
const THEIRS = `def _spillway_theirs(error):
    import _signal

    codes = [getattr(_signal.getsignal(number), "__code__", None) for number in _signal.valid_signals()]
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code in codes:
            return True
        trace = trace.tb_next
    return isinstance(error, (KeyboardInterrupt, SystemExit)) or hasattr(error, "_spillway_again")
`;

/**
 * Raises `error` again in the main thread, from a thread that comes to run after the script, and tells the guardian.
 * CPython takes a class for that, so one is made that brings the arguments with it.
 */
export function remoteRescue(directory: string): string {
  return `${THEIRS}

def _spillway_again():
    import _thread
    import ctypes

    kind, args = type(error), error.args
    body = {
        "__init__": lambda self, *none: kind.__init__(self, *args),
        "__module__": kind.__module__,
        "__qualname__": kind.__qualname__,
        "_spillway_again": True,
    }
    same = kind if hasattr(kind, "_spillway_again") else type(kind.__name__, (kind,), body)
    again = ctypes.py_object(same)
    main = ctypes.c_ulong(_thread.get_ident())
    _thread.start_new_thread(lambda: ctypes.pythonapi.PyThreadState_SetAsyncExc(main, again), ())


def _spillway_tell():
    import posix

    try:
        posix.unlink(${text(`${directory}/${TOKEN}`)})
    except OSError:
        pass
    with open(${text(`${directory}/${RESULT}.again`)}, "wb") as out:
        out.write(b'{"again": true}')
    posix.link(${text(`${directory}/${RESULT}.again`)}, ${text(`${directory}/${RESULT}`)})


if _spillway_theirs(error):
    try:
        _spillway_tell()
    except Exception:
        pass  # told already, or the guardian has given up
    _spillway_again()
`;
}

/** The long script. What fails in it goes into the result; only what a signal handler of the program raises leaves it. */
export function remoteWork({ command, directory, ownPid, deadline }: ScriptOptions): string {
  const file = (name: string) => text(`${directory}/${name}`);
  return `${PYTHON_WORK}

${THEIRS}

def _spillway_answer(answer):
    import posix

    try:
        with open(${file(`${RESULT}.part`)}, "wb") as out:
            out.write(_spillway_json(answer).encode())
        posix.rename(${file(`${RESULT}.part`)}, ${file(RESULT)})
    except OSError:
        pass  # the guardian has given up and removed the directory


def _spillway_main():
    import posix
    import time

    if posix.getpid() != ${ownPid}:
        return
    posix.unlink(${file(TOKEN)})
    try:
        if time.time() > ${deadline}:
            for name in ${text([SCRIPT, WORK, RESCUE])}:
                posix.unlink(${text(`${directory}/`)} + name)
            return posix.rmdir(${text(directory)})
        answer = {"ok": _spillway_${command}()}
    except BaseException as error:
        if _spillway_theirs(error):
            raise
        answer = {"error": "%s: %s" % (type(error).__name__, error)}
    _spillway_answer(answer)


_spillway_main()
`;
}

/** A literal of JSON is one of Python too. */
function text(value: string | string[]): string {
  return JSON.stringify(value);
}
