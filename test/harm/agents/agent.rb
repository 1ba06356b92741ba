# An agent in Ruby that holds so many MiB and notes when it stood still.
folder = ENV.fetch('HARM_FOLDER')
kept = Array.new(ARGV[0].to_i) { 'x' * (1 << 20) }
File.write("#{folder}/up-#{Process.pid}", kept.size)
cpu = -> { Process.clock_gettime(Process::CLOCK_PROCESS_CPUTIME_ID, :float_millisecond) }
clock = -> { Process.clock_gettime(Process::CLOCK_MONOTONIC, :float_millisecond) }
File.open("#{folder}/gaps-#{Process.pid}-ruby", 'a') do |gaps|
  gaps.sync = true
  last = clock.call
  used = cpu.call
  loop do
    sleep 0.01
    now = clock.call
    spent = cpu.call
    gaps.puts "#{Time.now.to_f * 1000} #{now - last} #{spent - used}" if now - last > 200
    last = now
    used = spent
  end
end
