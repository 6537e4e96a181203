# Loads a Vagrantfile without Vagrant, and prints what it says as JSON. It knows those of Vagrant's
# words that the file may use, and no others: a mistyped one is an error here as it is there.
require "json"

VirtualBox = Struct.new(:name, :memory, :cpus)

class Machine
  attr_accessor :box, :box_check_update, :hostname
  attr_reader :said

  def initialize(name)
    @name = name
    @machines = []
    @said = { networks: [], scripts: [], folders: [] }
  end

  def define(name)
    machine = Machine.new(name)
    yield Settings.new(machine)
    @machines << machine
  end

  def network(kind, ip:)
    @said[:networks] << [kind, ip]
  end

  def provider(kind)
    box = VirtualBox.new
    yield box
    @said[:provider] = [kind, box.to_h]
  end

  def provision(kind, args: [], inline:)
    @said[:scripts] << [kind, args, inline]
  end

  def synced_folder(here, there, disabled: false)
    @said[:folders] << [here, there, disabled]
  end

  def to_h
    machines = @machines.map(&:to_h)
    { name: @name, box: @box, hostname: @hostname, machines: machines }.merge(@said)
  end
end

Settings = Struct.new(:vm)

module Vagrant
  def self.configure(version)
    raise "unknown version #{version}" unless version == "2"
    top = Machine.new(nil)
    yield Settings.new(top)
    puts JSON.generate(top.to_h)
  end
end

load ARGV.fetch(0)
