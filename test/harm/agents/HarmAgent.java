import com.sun.management.OperatingSystemMXBean;
import java.io.FileWriter;
import java.lang.management.ManagementFactory;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Holds some memory, makes garbage where it is busy ({@code LIVE_MIB GARBAGE_MIB_PER_SECOND}), and notes when it stood still. */
class HarmAgent {
  static final List<byte[]> kept = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    String folder = System.getenv("HARM_FOLDER");
    long pid = ProcessHandle.current().pid();
    for (int i = 0; i < Integer.parseInt(args[0]) * 16; i++) kept.add(new byte[64 * 1024]);
    int garbage = Integer.parseInt(args[1]) * 16 / 100;
    Files.writeString(Path.of(folder, "up-" + pid), "");
    OperatingSystemMXBean system = (OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();
    try (FileWriter gaps = new FileWriter(folder + "/gaps-" + pid + "-java")) {
      long last = System.nanoTime();
      long used = system.getProcessCpuTime();
      long sum = 0;
      while (true) {
        Thread.sleep(10);
        for (int i = 0; i < garbage; i++) sum += new byte[64 * 1024].length;
        long now = System.nanoTime();
        long cpu = system.getProcessCpuTime();
        if (now - last > 200_000_000L) {
          gaps.write(System.currentTimeMillis() + " " + (now - last) / 1e6 + " " + (cpu - used) / 1e6 + "\n");
          gaps.flush();
        }
        last = now;
        used = cpu;
        if (sum < 0) return;
      }
    }
  }
}
