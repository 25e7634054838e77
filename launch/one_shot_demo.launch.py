# Copyright 2026 The smallbot founders
# SPDX-License-Identifier: Apache-2.0
"""Show a simulated arm one movement, learn it with one update, play it back, look at it.

`ros2 launch smallbot one_shot_demo.launch.py --show-args` lists the arguments.
"""

from functools import partial
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription, LaunchDescriptionEntity
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
import launch.logging
from launch.substitutions import LaunchConfiguration
from launch_ros.actions import Node
from launch_ros.parameter_descriptions import ParameterValue

SIMULATED = ('kinematic', 'mujoco', 'measured')


def arguments(share: Path) -> list[DeclareLaunchArgument]:
    """Return the launch arguments; those named like a parameter win over `params_file`."""
    switch = ['true', 'false']
    return [
        DeclareLaunchArgument(
            'demonstration', default_value='',
            description='movement to show: a CSV of joints (time,base,shoulder in s and rad) or '
                        'of the tool tip (time,x,y,z), or a rosbag2 folder with joint_states; '
                        'empty: a pen stroke that comes with the package, for another arm a '
                        'movement that fits it'),
        DeclareLaunchArgument(
            'reading', default_value='',
            description='what the recording leaves open, as on the command line: '
                        "'--time-unit ms --angle-unit deg --columns A=base,B=shoulder'"),
        DeclareLaunchArgument(
            'synapses', default_value='chip', choices=['chip', 'software'],
            description="what holds the trainee's weights: simulated phase-change memory, or "
                        'float32'),
        DeclareLaunchArgument(
            'model', default_value='ed_scorbot',
            description='a model that comes with the package, or the path of a .safetensors '
                        'file; it decides the arm: URDF, driven joints, limits and tool tip'),
        DeclareLaunchArgument(
            'arm', default_value='kinematic', choices=[*SIMULATED, 'ed_scorbot', 'external'],
            description='the arm: simulated without dynamics, in MuJoCo, or as the real one was '
                        'measured; ed_scorbot, the real one over MQTT; or external, where '
                        'your own driver publishes joint_states and takes commands'),
        DeclareLaunchArgument(
            'command_type', default_value='velocity', choices=['velocity', 'trajectory'],
            description='what an arm is commanded: velocities, or short trajectories for a '
                        'joint_trajectory_controller, each ending at rest'),
        DeclareLaunchArgument(
            'command_joints', default_value='',
            description="joints of an external arm's controller in its order, with commas between "
                        'them, where it has more than the driven ones; the others get zero, or '
                        'are held'),
        DeclareLaunchArgument(
            'velocity_topic', default_value='velocity_controller/commands',
            description='topic of the velocity commands'),
        DeclareLaunchArgument(
            'trajectory_topic', default_value='joint_trajectory_controller/joint_trajectory',
            description='topic of the trajectory commands'),
        DeclareLaunchArgument(
            'broker', default_value='127.0.0.1',
            description='host of the MQTT broker of a real ED-Scorbot'),
        DeclareLaunchArgument(
            'port', default_value='1883', description='its port; with TLS often 8883'),
        DeclareLaunchArgument(
            'user', default_value='',
            description='name by which the broker knows us; the password comes from '
                        'SMALLBOT_MQTT_PASSWORD in the environment or from password_file'),
        DeclareLaunchArgument(
            'password_file', default_value='',
            description='file whose first line is the password for the broker'),
        DeclareLaunchArgument(
            'ca_file', default_value='',
            description="certificate (PEM) of the authority that signed the broker's, which "
                        'turns TLS on; system: those that the operating system trusts'),
        DeclareLaunchArgument(
            'cert_file', default_value='',
            description='our own certificate (PEM), where the broker wants one'),
        DeclareLaunchArgument(
            'key_file', default_value='',
            description='its private key (PEM), where it is not in cert_file'),
        DeclareLaunchArgument(
            'convention', default_value='2023', choices=['2023', '2026'],
            description='year of the published signs and factors that the degrees of a real '
                        'ED-Scorbot follow'),
        DeclareLaunchArgument(
            'time_scale', default_value='chosen',
            description='how many times longer than shown a movement is played; chosen: 1, or '
                        "what the arm's limits need, with arm:=measured what it can follow, with "
                        'arm:=ed_scorbot 8'),
        DeclareLaunchArgument(
            'correction', default_value='chosen',
            description='velocity for each rad that the arm is away from where the network wants '
                        'it, 1/s; 0: play blindly; chosen: 0, with arm:=measured and '
                        'arm:=ed_scorbot 1'),
        DeclareLaunchArgument(
            'auto', default_value='true', choices=switch,
            description='run the whole demonstration by itself on the simulated arm; false: '
                        'start the nodes and wait for your service calls'),
        DeclareLaunchArgument(
            'may_move', default_value='false', choices=switch,
            description='true, with arm:=ed_scorbot: nobody is near the arm, lead it through the '
                        'whole demonstration: search home, show the movement by commands and play '
                        'it, both time_scale times slower than in the file, give it back'),
        DeclareLaunchArgument(
            'duration', default_value='0.0',
            description='seconds the playback takes; 0: as long as the movement that was shown, '
                        'longer where the arm needs it'),
        DeclareLaunchArgument(
            'poor_above', default_value='5.0',
            description='tool-tip error, cm, above which a movement that the controller has '
                        'rehearsed is refused'),
        DeclareLaunchArgument(
            'poor_share', default_value='0.1',
            description="the same as share of the movement's extent; the larger of the two "
                        'counts'),
        DeclareLaunchArgument(
            'allow_poor', default_value='false', choices=switch,
            description='true: play even what is expected to come out poorly'),
        DeclareLaunchArgument(
            'seed', default_value='0',
            description='seed of the simulated devices: another seed, another chip'),
        DeclareLaunchArgument(
            'chip_file', default_value='',
            description='file of a named chip, read if it exists and written after each '
                        'programming: it still plays its movement after a restart; empty: a new '
                        'chip each time'),
        DeclareLaunchArgument(
            'bag_directory', default_value='demonstrations',
            description='folder in which recordings are kept as rosbag2 (MCAP)'),
        DeclareLaunchArgument(
            'report', default_value='',
            description='file for the figures of the demonstration as JSON; empty: none'),
        DeclareLaunchArgument(
            'rviz', default_value='true', choices=switch,
            description='show the arm and both paths in RViz'),
        DeclareLaunchArgument(
            'rviz_config', default_value=str(share / 'config' / 'one_shot_demo.rviz'),
            description='RViz configuration file'),
        DeclareLaunchArgument(
            'robot_state_publisher', default_value='chosen', choices=['chosen', *switch],
            description="publish the links of the model's arm to tf and its description, for "
                        'RViz; chosen: true, with arm:=external false, whose driver has its own'),
        DeclareLaunchArgument(
            'urdf', default_value='',
            description='what robot_state_publisher publishes where it is not the description of '
                        'the model, as one that was calibrated: a file of URDF or xacro with the '
                        "joints and the tool tip of the model; empty: the model's"),
        DeclareLaunchArgument(
            'use_sim_time', default_value='false', choices=switch,
            description='true: every node runs on the time that a simulator publishes on /clock'),
        DeclareLaunchArgument(
            'namespace', default_value='',
            description='namespace of all nodes, topics and services'),
        DeclareLaunchArgument(
            'params_file', default_value=str(share / 'config' / 'one_shot_demo.yaml'),
            description='YAML file with the parameters of all nodes; arguments of this launch '
                        'file win over it'),
        DeclareLaunchArgument(
            'shutdown_when_done', default_value='false', choices=switch,
            description='end everything when the demonstration has run, as in a test'),
    ]


def started(context: LaunchContext) -> list[LaunchDescriptionEntity]:
    """Return every process, once all that can fail before has been looked at.

    What is raised between two processes would leave the first behind. Raises InputError.
    """
    from smallbot.nodes.preflight import (
        Argument,
        check_company,
        check_namespace,
        check_parameters,
        check_programs,
        shown_arm,
        values,
    )

    def given(argument: str) -> Argument:
        return Argument(argument, LaunchConfiguration(argument).perform(context))

    def chosen(argument: str, choices: dict[str, float], other: float) -> Argument:
        """Return an argument that may be left to be chosen for the arm."""
        said = given(argument)
        return (said._replace(text=str(choices.get(arm, other))) if said.text == 'chosen'
                else said)

    def is_true(argument: str) -> bool:
        return given(argument).text == 'true'

    arm, namespace = given('arm').text, given('namespace').text
    params_file = given('params_file').text
    check_namespace(namespace)
    check_parameters(params_file)
    commands = [('velocity_controller/commands', given('velocity_topic').text),
                ('joint_trajectory_controller/joint_trajectory', given('trajectory_topic').text)]
    simulated_time = {'use_sim_time': True} if is_true('use_sim_time') else {}

    def node(name: str, **arguments: Argument) -> Node:
        parameters = {key: ParameterValue(value, value_type=type(value))
                      for key, value in values(name, arguments).items()}
        return Node(package='smallbot', executable=name, name=name, namespace=namespace,
                    parameters=[params_file, {**parameters, **simulated_time}],
                    remappings=commands, output='screen', emulate_tty=True)

    # A movement that was shown slowly, by commands, is not slowed down once more to be played.
    commanding = arm == 'ed_scorbot' and is_true('auto') and is_true('may_move')
    showing_scale = chosen('time_scale', {'ed_scorbot': 8.0}, 1.0)
    as_shown = Argument('time_scale', '1.0')
    correction = chosen('correction', {'measured': 1.0, 'ed_scorbot': 1.0}, 0.0)
    nodes = {
        'demo_recorder': node(
            'demo_recorder', bag_directory=given('bag_directory'), arm_of=given('model'),
            reading=given('reading')),
        'one_shot_learner': node('one_shot_learner', model=given('model')),
        'snn_controller': node(
            'snn_controller', model=given('model'), synapses=given('synapses'),
            chip_file=given('chip_file'), command_type=given('command_type'),
            command_joints=given('command_joints'), seed=given('seed'),
            duration=given('duration'),
            servo=Argument('arm', 'ed_scorbot' if arm in ('measured', 'ed_scorbot') else 'ideal'),
            # 0: the controller chooses.
            time_scale=as_shown if commanding else chosen(
                'time_scale', {'ed_scorbot': 8.0, 'measured': 0.0}, 1.0),
            correction=correction, poor_above=given('poor_above'),
            poor_share=given('poor_share'), allow_poor=given('allow_poor')),
        'trajectory_display': node('trajectory_display', arm_of=given('model')),
    }
    if arm in SIMULATED:
        nodes['arm_simulator'] = node('arm_simulator', model=given('arm'), arm_of=given('model'))
    if arm == 'ed_scorbot':
        nodes['ed_scorbot_driver'] = node(
            'ed_scorbot_driver', broker=given('broker'), port=given('port'), user=given('user'),
            password_file=given('password_file'), ca_file=given('ca_file'),
            cert_file=given('cert_file'), key_file=given('key_file'),
            convention=given('convention'),
            time_scale=as_shown if commanding else showing_scale)
    if commanding or arm in SIMULATED and is_true('auto'):
        nodes['demo_director'] = node(
            'demo_director', demonstration_file=given('demonstration'), reading=given('reading'),
            model=given('model'), report=given('report'),
            hand=Argument('may_move', 'commanding' if commanding else 'guiding'),
            time_scale=showing_scale, correction=correction, convention=given('convention'))

    asked = chosen_switch(given('robot_state_publisher').text, arm != 'external')
    urdf = given('urdf').text
    if urdf and not asked:
        raise RuntimeError(f'urdf:={urdf} is what robot_state_publisher publishes, and none is '
                           f'started: give robot_state_publisher:=true too')
    shows = {'robot_state_publisher': asked, 'rviz2': is_true('rviz')}
    check_programs([
        *((name, name, f'{name.removesuffix("2")}:=false') for name, on in shows.items() if on),
        *(('smallbot', name, '') for name in nodes)])
    seen = shown_arm(given('model').text, urdf)
    check_company(namespace, list(nodes), arm != 'external')
    # Frames of several arms must not meet in one tf tree: tf follows the namespace.
    frames = [('/tf', 'tf'), ('/tf_static', 'tf_static')]
    before = []
    if shows['robot_state_publisher']:
        description = ParameterValue(seen.urdf, value_type=str)
        nodes['robot_state_publisher'] = Node(
            package='robot_state_publisher', executable='robot_state_publisher',
            namespace=namespace, remappings=frames, output='screen',
            parameters=[{'robot_description': description, **simulated_time}])
        before.append(nodes['robot_state_publisher'])
    if shows['rviz2']:
        rviz = Node(
            package='rviz2', executable='rviz2', namespace=namespace, remappings=frames,
            arguments=['-d', given('rviz_config').text, '-f', seen.root], output='log',
            parameters=[simulated_time] if simulated_time else None)
        before += [RegisterEventHandler(OnProcessExit(target_action=rviz, on_exit=unseen)), rviz]
    when_done = is_true('shutdown_when_done')
    ends = [RegisterEventHandler(OnProcessExit(target_action=each, on_exit=partial(
        gone, may_end=name == 'demo_director', when_done=when_done)))
        for name, each in nodes.items()]
    return [*ends, *before, *(each for each in nodes.values() if each not in before)]


def chosen_switch(said: str, other: bool) -> bool:
    """Return what a switch says that may be left to be chosen."""
    return other if said == 'chosen' else said == 'true'


def gone(event: ProcessExited, context: LaunchContext, may_end: bool,
         when_done: bool) -> list[EmitEvent]:
    """End the launch where a node is gone that nobody asked to end; raises RuntimeError.

    That is what `ros2 launch` shuts everything down for with exit code 1; to emit Shutdown would
    end it with 0. `may_end`: the node ends by itself when it has done its work, and `when_done`
    everything with it.
    """
    if context.is_shutdown:
        return []
    if event.returncode or not may_end:
        without = ('; robot_state_publisher:=false does without'
                   if 'robot_state_publisher' in event.process_name else '')
        raise RuntimeError(f'{event.process_name} has ended with exit code {event.returncode}: '
                           f'the others are stopped{without}')
    return [EmitEvent(event=Shutdown(reason='the demonstration has ended'))] if when_done else []


def unseen(event: ProcessExited, context: LaunchContext) -> None:
    """Say what does without RViz where it failed, as without a screen; the rest goes on."""
    if event.returncode and not context.is_shutdown:
        launch.logging.get_logger('launch').error(
            f'rviz2 has ended with exit code {event.returncode}: the rest goes on without it; '
            f'rviz:=false does not start it')


def generate_launch_description() -> LaunchDescription:
    """Start every node in a process of its own."""
    share = Path(get_package_share_directory('smallbot'))
    return LaunchDescription([*arguments(share), OpaqueFunction(function=started)])
