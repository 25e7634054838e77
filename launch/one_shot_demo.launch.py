"""Show a simulated arm one movement, learn it with one update, play it back, look at it.

`ros2 launch smallbot one_shot_demo.launch.py --show-args` lists the arguments.
"""

from functools import partial
from pathlib import Path

from ament_index_python.packages import get_package_share_directory
from launch import LaunchContext, LaunchDescription
from launch.actions import (
    DeclareLaunchArgument,
    EmitEvent,
    OpaqueFunction,
    RegisterEventHandler,
)
from launch.conditions import IfCondition
from launch.event_handlers import OnProcessExit
from launch.events import Shutdown
from launch.events.process import ProcessExited
from launch.substitutions import LaunchConfiguration, PythonExpression
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
            'robot_state_publisher', default_value='true', choices=switch,
            description="publish the links of the model's arm to tf and its description, for "
                        'RViz'),
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


def shown_arm(context) -> list[Node]:
    """Return what shows the arm of the model: its description, and RViz in its root link."""
    from smallbot.one_shot.model import arm_of, load_model

    arm = arm_of(load_model(LaunchConfiguration('model').perform(context)).config)
    namespace = LaunchConfiguration('namespace')
    # Frames of several arms must not meet in one tf tree: tf follows the namespace.
    frames = [('/tf', 'tf'), ('/tf_static', 'tf_static')]
    return [
        Node(package='robot_state_publisher', executable='robot_state_publisher',
             namespace=namespace, remappings=frames, output='screen',
             parameters=[{'robot_description': ParameterValue(arm.urdf, value_type=str)}],
             condition=IfCondition(LaunchConfiguration('robot_state_publisher'))),
        Node(package='rviz2', executable='rviz2', namespace=namespace, remappings=frames,
             arguments=['-d', LaunchConfiguration('rviz_config'), '-f', arm.root], output='log',
             condition=IfCondition(LaunchConfiguration('rviz'))),
    ]


def missed(event: ProcessExited, context: LaunchContext, may_end: bool) -> None:
    """End the launch where a node is gone that nobody asked to end; raises RuntimeError.

    That is what `ros2 launch` shuts everything down for with exit code 1; to emit Shutdown would
    end it with 0. `may_end`: the node ends by itself when it has done its work.
    """
    if not context.is_shutdown and (event.returncode or not may_end):
        raise RuntimeError(f'{event.process_name} has ended with exit code {event.returncode}: '
                           f'the others are stopped')


def generate_launch_description() -> LaunchDescription:
    """Start every node in a process of its own."""
    share = Path(get_package_share_directory('smallbot'))
    namespace = LaunchConfiguration('namespace')

    def text(argument: str) -> ParameterValue:
        return ParameterValue(LaunchConfiguration(argument), value_type=str)

    commands = [
        ('velocity_controller/commands', LaunchConfiguration('velocity_topic')),
        ('joint_trajectory_controller/joint_trajectory', LaunchConfiguration('trajectory_topic'))]

    def node(name: str, condition: IfCondition | None = None, **parameters) -> Node:
        return Node(package='smallbot', executable=name, name=name, namespace=namespace,
                    parameters=[LaunchConfiguration('params_file'), parameters],
                    remappings=commands,
                    condition=condition, output='screen', emulate_tty=True)

    def arm_is(condition: str) -> IfCondition:
        return IfCondition(PythonExpression(["'", LaunchConfiguration('arm'), f"' {condition}"]))

    def chosen(given: LaunchConfiguration, choices: dict[str, float], other: float) -> list:
        """Return the expression of an argument that may be left to be chosen for the arm."""
        return [f'({choices}', ".get('", LaunchConfiguration('arm'), f"', {other}) if '", given,
                "' == 'chosen' else 1.0 * ", given, ')']

    def number(expression: list) -> ParameterValue:
        return ParameterValue(PythonExpression(expression), value_type=float)

    simulated = f'in {SIMULATED}'
    correction = number(chosen(
        LaunchConfiguration('correction'), {'measured': 1.0, 'ed_scorbot': 1.0}, 0.0))
    servo = ParameterValue(PythonExpression(
        ["'ed_scorbot' if '", LaunchConfiguration('arm'), "' in ('measured', 'ed_scorbot') else "
         "'ideal'"]), value_type=str)
    # A movement that was shown slowly, by commands, is not slowed down once more to be played.
    commanding = ["'", LaunchConfiguration('arm'), "' == 'ed_scorbot' and '",
                  LaunchConfiguration('auto'), "' == 'true' and '",
                  LaunchConfiguration('may_move'), "' == 'true'"]
    showing_scale = chosen(LaunchConfiguration('time_scale'), {'ed_scorbot': 8.0}, 1.0)
    driving_scale = number(['1.0 if ', *commanding, ' else ', *showing_scale])
    # 0: the controller chooses.
    playing_scale = number(['1.0 if ', *commanding, ' else ', *chosen(
        LaunchConfiguration('time_scale'), {'ed_scorbot': 8.0, 'measured': 0.0}, 1.0)])
    director = node(
        'demo_director',
        IfCondition(PythonExpression([*commanding, " or '", LaunchConfiguration('arm'),
                                      f"' {simulated} and '", LaunchConfiguration('auto'),
                                      "' == 'true'"])),
        demonstration_file=text('demonstration'), reading=text('reading'), model=text('model'),
        report=text('report'),
        hand=ParameterValue(PythonExpression(["'commanding' if ", *commanding,
                                              " else 'guiding'"]), value_type=str),
        time_scale=number(showing_scale), correction=correction,
        convention=text('convention'))
    nodes = [
        node('arm_simulator', arm_is(simulated), model=text('arm'), arm_of=text('model')),
        node('ed_scorbot_driver', arm_is("== 'ed_scorbot'"), broker=text('broker'),
             port=ParameterValue(LaunchConfiguration('port'), value_type=int),
             user=text('user'), password_file=text('password_file'), ca_file=text('ca_file'),
             cert_file=text('cert_file'), key_file=text('key_file'),
             convention=text('convention'), time_scale=driving_scale),
        node('demo_recorder', bag_directory=text('bag_directory'), arm_of=text('model'),
             reading=text('reading')),
        node('one_shot_learner', model=text('model')),
        node('snn_controller', model=text('model'), synapses=text('synapses'),
             chip_file=text('chip_file'), command_type=text('command_type'),
             command_joints=text('command_joints'),
             seed=ParameterValue(LaunchConfiguration('seed'), value_type=int),
             duration=ParameterValue(LaunchConfiguration('duration'), value_type=float),
             servo=servo, time_scale=playing_scale, correction=correction,
             poor_above=ParameterValue(LaunchConfiguration('poor_above'), value_type=float),
             poor_share=ParameterValue(LaunchConfiguration('poor_share'), value_type=float),
             allow_poor=ParameterValue(LaunchConfiguration('allow_poor'), value_type=bool)),
        node('trajectory_display', arm_of=text('model')),
        director,
    ]
    return LaunchDescription([
        *arguments(share),
        *nodes,
        *(RegisterEventHandler(OnProcessExit(
            target_action=each, on_exit=partial(missed, may_end=each is director)))
          for each in nodes),
        RegisterEventHandler(
            OnProcessExit(target_action=director, on_exit=[EmitEvent(
                event=Shutdown(reason='the demonstration has ended'))]),
            condition=IfCondition(LaunchConfiguration('shutdown_when_done'))),
        OpaqueFunction(function=shown_arm),
    ])
