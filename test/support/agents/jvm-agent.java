import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;

/** Holds some memory, lets go of more, and does what it is told by its input: {@code grow N}, {@code echo TEXT}. */
class JvmAgent {
  static final class Turn {
    final long[] tokens = new long[1000];
  }

  static final List<Object> held = new ArrayList<>();

  public static void main(String[] args) throws Exception {
    int liveMb = Integer.parseInt(args[0]);
    int garbageMb = Integer.parseInt(args[1]);
    // small objects, all alive at once: they reach the old generation, where only a full collection looks
    List<byte[]> dropped = new ArrayList<>();
    for (int i = 0; i < garbageMb * 16; i++) {
      dropped.add(new byte[64 * 1024]);
      if (i < liveMb * 16) held.add(new byte[64 * 1024]);
    }
    dropped.clear();
    System.out.println("ready");
    BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
    for (String line = in.readLine(); line != null; line = in.readLine()) {
      if (line.startsWith("grow ")) {
        int count = Integer.parseInt(line.substring(5));
        for (int i = 0; i < count; i++) held.add(new Turn());
      }
      System.out.println("did " + line);
    }
  }
}
